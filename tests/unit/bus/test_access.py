"""The users file: who may do what, and that every plain command of the bus is somebody's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from libs.bus.access import (
    BRAIN,
    CONTEXT_STORE,
    OPERATOR,
    ROLES,
    TEXT_GATEWAY,
    VOICE_GATEWAY,
    rights,
    rules,
    users_file,
)
from libs.bus.scripts import load_scripts
from libs.contracts.keys import ONE_PER_ID, ONE_PER_SHARD, Keys, key_pattern

PASSWORDS = {role.name: [f"{role.name}-with-a-long-password"] for role in ROLES}
NEVER = {
    "keys", "flushall", "flushdb", "config", "debug", "script", "script|flush", "script|kill", "eval", "function",
    "save", "monitor", "shutdown", "replicaof", "client|kill", "client|list", "acl|setuser", "acl|list", "move", "copy",
    "rename", "dump", "restore", "migrate", "sort", "swapdb", "select|", "acl", "client", "xgroup", "xinfo",
}  # fmt: skip


def test_every_key_of_the_contracts_has_a_pattern_that_fits_it_and_no_other() -> None:
    keys = Keys(7)
    singles = {name: getattr(keys, name) for name in ONE_PER_SHARD}
    several = {name: getattr(keys, name)(*(["id"] * (2 if name in ("seen", "rate") else 1))) for name in ONE_PER_ID}
    attributes = {name for name in dir(keys) if not name.startswith("_")}
    assert attributes - {"prefix"} == {*ONE_PER_SHARD, *ONE_PER_ID}
    for name in attributes - {"prefix"}:
        pattern = re.escape(key_pattern(name)).replace(r"\*", ".*")
        fits = {other for other, key in {**singles, **several}.items() if re.fullmatch(pattern, key)}
        assert fits == {name}
    assert key_pattern("chunks", "text-") == "botel:{*}:chunks:text-*"
    with pytest.raises(ValueError, match="nowhere"):
        key_pattern("nowhere")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_no_user_has_a_whole_category_or_what_harms_all(role: object) -> None:
    text = " ".join(rules(role))  # type: ignore[arg-type]
    granted = set(re.findall(r"\+([^\s)]+)", text))
    assert not granted & NEVER
    assert "+@" not in text
    assert "~*" not in text
    assert "&" not in text
    assert all(pattern.startswith("botel:{*}:") for pattern in re.findall(r"~([^\s)]+)", text))


def test_only_digests_are_in_the_file_and_the_default_user_is_off() -> None:
    text = users_file(PASSWORDS, more=["user extra off"])
    assert text.splitlines()[0] == "user default reset off ~* &* +@all"
    assert text.splitlines()[-1] == "user extra off"
    assert not any(password in text for words in PASSWORDS.values() for password in words)
    assert len(re.findall(r"#[0-9a-f]{64}", text)) == len(ROLES)


@pytest.mark.parametrize("words", [[], ["short"], ["long-enough-a-password", ""]])
def test_nobody_enters_without_a_password_that_is_hard_to_guess(words: list[str]) -> None:
    with pytest.raises(ValueError, match="brain"):
        users_file({**PASSWORDS, "brain": words})


def test_who_may_call_which_script() -> None:
    called = {script for role in ROLES for script in role.scripts}
    assert called == set(load_scripts()), "every script is somebody's"
    assert {role.name for role in ROLES if "claim" in role.scripts} == {"brain"}
    assert {role.name for role in ROLES if "accept" in role.scripts} == {"text_gateway", "voice_gateway"}
    assert {role.name for role in ROLES if "retire" in role.scripts} == {"context_store"}
    assert {role.name for role in ROLES if "replay" in role.scripts} == {"operator"}


def test_a_gateway_reads_its_own_chunks_only() -> None:
    assert rights(TEXT_GATEWAY)["xread"] == {"botel:{*}:chunks:text-*"}
    assert rights(VOICE_GATEWAY)["xread"] == {"botel:{*}:chunks:voice-*"}
    assert "botel:{*}:events" not in rights(BRAIN)["xrange"]
    assert rights(CONTEXT_STORE)["xreadgroup"] == {"botel:{*}:events"}
    assert "hgetall" not in rights(OPERATOR)


def test_every_plain_command_that_is_sent_is_somebody_s() -> None:
    """A new command in the bus or in a tool needs a right: here it is noticed, not when a service is refused."""
    granted = {command.partition("|")[0] for role in ROLES for command in rights(role)}
    granted |= {"ping", "time", *(word.partition("|")[0] for word in OPERATOR.keyless)}
    sent = set()
    for path in (*Path("libs/bus").glob("*.py"), *Path("deploy/local").glob("*.py"), *Path("services").rglob("*.py")):
        sent |= set(re.findall(r"""\bsend\(\s*"([A-Z]+)\"""", path.read_text()))
    assert {"XADD", "SCAN", "XAUTOCLAIM"} <= sent
    assert {command.lower() for command in sent} <= granted
