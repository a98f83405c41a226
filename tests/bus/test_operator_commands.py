"""`python -m libs.bus`: what it prints, that it keeps the guest's words to itself, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from libs.bus.cli import main
from libs.bus.settings import BusSettings
from libs.contracts.codec import encode
from tests.bus.property.calls import Calls
from tests.bus.support.conversation import PROPERTY, message, opened, tool_requested

WORDS = "my secret is safe with you"
LETTER = "0:1790000000000-0"


@pytest.fixture
def letter(calls: Calls) -> str:
    """A dead letter whose turn is in the log, with a tool that was asked for."""
    calls.open("c1", PROPERTY, encode(opened("c1")).decode())
    calls.append("c1", PROPERTY, "m", encode(message("c1", "t1", WORDS)).decode())
    calls.append("c1", PROPERTY, "r", encode(tool_requested("c1", "t1", "call1")).decode())
    calls.append("c1", PROPERTY, "o", encode(message("c1", "t2", "another turn")).decode())
    fields: Any = {
        "k": "turn", "c": "c1", "p": PROPERTY, "m": "t1 2 0 1", "e": 5, "w": "w3", "a": 2,
        "tr": "w1 lost its lease; w2 lost its lease", "why": "every attempt ended without a commit",
        "b": encode(message("c1", "t1", WORDS)),
    }  # fmt: skip
    calls.redis.xadd(calls.keys.dead, fields, id="1790000000000-0")
    return LETTER


@pytest.fixture
def settings(redis_url: str) -> BusSettings:
    return BusSettings(redis_url=redis_url)


def test_list_and_show_without_the_words(
    letter: str, settings: BusSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead", "list"], settings) == 0
    listed = capsys.readouterr().out
    assert main(["dead", "show", letter], settings) == 0
    shown = capsys.readouterr().out
    assert WORDS not in listed + shown
    for told in (letter, "harbour", "c1", "t1", "every attempt ended without a commit"):
        assert told in listed, told
        assert told in shown, told
    for told in ("w1 lost its lease", "w3", "message.received", "tool.requested", "tool book", "idle"):
        assert told in shown, told
    assert "another" not in shown


def test_the_words_only_when_asked_for(letter: str, settings: BusSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead", "show", letter, "--words", "--json"], settings) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["message"] == WORDS
    assert (told["runs"], told["tried"]) == (2, ["w1 lost its lease", "w2 lost its lease"])
    assert [event["type"] for event in told["events"]] == ["message.received", "tool.requested"]
    assert told["events"][0]["words"] == WORDS
    assert main(["dead", "list", "--json"], settings) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert "message" not in row
    assert row["id"] == letter


def test_a_replay_and_a_second_one(letter: str, settings: BusSettings, calls: Calls,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(["dead", "replay", letter], settings) == 1
    assert "effects-unknown" in capsys.readouterr().err, "it asked for a tool and no result is recorded"
    assert main(["dead", "replay", letter, "--anyway"], settings) == 0
    assert "turn replay-0-1790000000000-0 of c1, event 5" in capsys.readouterr().out
    assert main(["dead", "replay", letter, "--anyway"], settings) == 1
    assert "no-such-letter" in capsys.readouterr().err
    assert calls.redis.llen(calls.keys.mail("c1")) == 1
    assert main(["dead", "list"], settings) == 0
    assert "no dead letters" in capsys.readouterr().out


def test_a_terminal_obeys_nothing_of_it(
    settings: BusSettings, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    calls.redis.xadd(calls.keys.dead, {"k": "entry", "b": "\x1b[2J", "why": "\x1b]0;owned\x07\nsecond line"})
    assert main(["dead", "list"], settings) == 0
    assert main(["dead", "show", calls.keys.dead and f"0:{calls.redis.xrange(calls.keys.dead)[0][0]}", "--words"],
                settings) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert len(out.splitlines()[:2]) == 2


def test_discard_one_and_discard_old(letter: str, settings: BusSettings, calls: Calls,
                                     capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    calls.redis.xadd(calls.keys.dead, {"why": "fresh"})
    assert main(["dead", "discard", letter], settings) == 0
    assert letter in capsys.readouterr().out
    assert main(["dead", "discard", letter], settings) == 1
    assert main(["dead", "discard", "--all", "--older-than", "1d"], settings) == 0
    assert capsys.readouterr().out == "0 dead letters discarded\n"
    assert main(["dead", "discard", "--all", "--older-than", "0s"], settings) == 0
    assert calls.redis.xlen(calls.keys.dead) <= 1, "one may be of this very millisecond"


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["dead"], ["dead", "show"], ["dead", "list", "--limit", "0"], ["dead", "list", "--limit", "many"],
        ["dead", "discard"], ["dead", "discard", "1-1", "--all", "--older-than", "7d"], ["dead", "discard", "--all"],
        ["dead", "discard", "1-1", "--older-than", "7d"], ["dead", "discard", "--all", "--older-than", "7 weeks"],
        ["groups", "drop", "context-store"], ["nothing"],
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(settings: BusSettings, arguments: list[str]) -> None:
    assert main(arguments, settings) == 2


def test_no_redis_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = BusSettings(redis_url="redis://127.0.0.1:1/0", command_timeout_ms=60)
    assert main(["dead", "list"], nowhere) == 1
    assert "bus-unavailable" in capsys.readouterr().err


def test_as_a_command(redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "libs.bus", "dead", "list"],
        env={"REDIS_URL": redis_url}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "no dead letters\n"), done.stderr
