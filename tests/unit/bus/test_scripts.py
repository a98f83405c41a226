"""How scripts are put together from their pieces."""

from __future__ import annotations

import hashlib
import re

import pytest

from libs.bus.scripts import expand, load_scripts

SCRIPTS = {
    "accept", "append", "beat", "bury", "cancel", "claim", "commit", "emit",
    "follow", "journal", "open", "reap", "recount", "reject", "replay", "retire", "trim",
    "call_end", "call_expect", "call_renew", "call_reserve", "call_take", "spend",
}  # fmt: skip


def test_pieces_stand_where_the_include_line_was_in_its_order() -> None:
    sources = {"_a": "local a = 1\n", "_b": "local b = 2\n"}
    assert expand("-- head\n--#include _b _a\nreturn a + b\n", sources) == (
        "-- head\nlocal b = 2\nlocal a = 1\n\nreturn a + b\n"
    )


def test_a_script_without_includes_is_itself() -> None:
    assert expand("-- include nothing\nreturn 1\n", {}) == "-- include nothing\nreturn 1\n"


def test_an_unknown_piece_is_an_error() -> None:
    with pytest.raises(KeyError):
        expand("--#include _missing\n", {})


def test_every_script_is_there_and_pieces_are_none() -> None:
    assert set(load_scripts()) == SCRIPTS


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_is_whole_and_known_by_its_hash(name: str) -> None:
    script = load_scripts()[name]
    assert "#include" not in script.text
    assert script.sha == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()
    assert script.text.startswith(f"-- {name}: ")


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_names_its_keys_and_touches_no_other(name: str) -> None:
    """No key is put together in Lua: every one is declared, so that the script may run in a cluster."""
    text = load_scripts()[name].text
    legend, code = text.split("\n-- KEYS", 1)[1].split("\n", 1)
    assert legend.strip()
    assert "botel:" not in code
    used = {int(index) for index in re.findall(r"KEYS\[(\d+)\]", code)}
    declared = {
        int(index) for index in re.findall(r"(?:^|\s)(\d+) [a-z*']", text.split("-- ARGV")[0].split("-- KEYS")[1])
    }
    assert used <= declared
