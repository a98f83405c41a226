"""What a guest wants of the call itself, in the rules: with its tools, and without them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.local.env import read_dotenv
from services.brain.domain import marks
from services.brain.domain.desks import MAX_DESKS, find_desk, parse_desks
from services.brain.offline import replies
from services.brain.offline.concierge import next_step
from services.brain.offline.transcript import Kind, Line, Plan, Say, Use
from services.brain.settings import BrainSettings
from services.voice_gateway.settings import CallSettings

TOOLS = frozenset({"property_info", "hang_up", "transfer_call", "pause_call", "resume_call"})
DESKS = ("reception", "concierge desk")


def step(text: str, tools: frozenset[str] = TOOLS, desks: tuple[str, ...] = DESKS) -> Plan:
    situation = Line(Kind.SYSTEM, f"Hotel time: 2026-11-22 18:00.\n{marks.in_call(desks, voice=True)}")
    return next_step([situation, Line(Kind.GUEST, marks.mark(text, by_text=False))], tools)


def through(desk: str) -> Use:
    return Use((("transfer_call", {"to": desk}),))


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("thank you that is everything goodbye", Use((("hang_up", {}),))),
        ("no thanks bye", Use((("hang_up", {}),))),
        ("yes goodbye", Use((("hang_up", {}),))),
        ("please hang up", Use((("hang_up", {}),))),
        ("put me through to reception", through("reception")),
        ("please connect me with the front desk", through("reception")),
        ("connect me to the concierge desk", through("concierge desk")),
        ("put me through to somebody", through("reception")),
        ("could you put me through to the bar", Say(replies.which_desk(DESKS))),
        ("one moment please", Use((("pause_call", {}),))),
        ("hold on", Use((("pause_call", {}),))),
        ("okay i am back", Use((("resume_call", {}),))),
        ("hold on what time is breakfast", Use((("property_info", {"topic": "breakfast"}),))),
    ],
)
def test_in_a_call(text: str, plan: Plan) -> None:
    assert step(text) == plan


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("goodbye", Say(replies.GOODBYE)),
        ("put me through to reception", Use((("property_info", {"topic": "frontdesk"}),))),
        ("hold on", Say(replies.TAKE_YOUR_TIME)),
        ("i am back", Say(replies.WELCOME_BACK)),
    ],
)
def test_without_a_call(text: str, plan: Plan) -> None:
    assert step(text, frozenset({"property_info"}), ()) == plan


def test_without_any_tool_it_is_admitted() -> None:
    assert step("put me through to reception", frozenset(), ()) == Say(replies.UNKNOWN)


@pytest.mark.parametrize(
    ("tool", "arguments", "result", "said"),
    [
        ("hang_up", {}, '{"requested":true}', replies.GOODBYE),
        ("hang_up", {}, '{"error":"not-permitted"}', replies.GOODBYE),
        ("pause_call", {}, '{"requested":true}', replies.QUIET),
        ("pause_call", {}, '{"error":"not-permitted"}', replies.TAKE_YOUR_TIME),
        ("transfer_call", {"to": "bar"}, '{"requested":true}', "putting you through to the bar"),
        ("transfer_call", {"to": "bar"}, '{"error":"not-found"}', "can't put you through"),
    ],
)
def test_what_is_said_when_it_was_requested(tool: str, arguments: dict[str, str], result: str, said: str) -> None:
    lines = [
        Line(Kind.GUEST, marks.mark("something", by_text=False)),
        Line(Kind.CALL, call_id="c1", name=tool, arguments=arguments),
        Line(Kind.RESULT, result, call_id="c1"),
    ]

    answer = next_step(lines, TOOLS)
    assert isinstance(answer, Say)
    assert said in answer.text


def test_desks_stand_in_the_situation() -> None:
    assert marks.desks_in(marks.in_call(DESKS, voice=True)) == DESKS
    assert marks.desks_in(marks.in_call((), voice=False)) == ()


@pytest.mark.parametrize("wanted", ["Concierge-Desk", "the concierge desk", "concierge_desk"])
def test_a_desk_is_found_however_it_is_written(wanted: str) -> None:
    assert find_desk(wanted, DESKS) == "concierge desk"


@pytest.mark.parametrize("wanted", ["", "tel:+4940123", "desk", "reception concierge desk", "the"])
def test_what_is_no_desk_is_not_found(wanted: str) -> None:
    assert find_desk(wanted, DESKS) == ""


def test_desks_are_read_from_a_setting() -> None:
    assert parse_desks(" Reception, concierge  Desk,reception,") == DESKS
    assert parse_desks("") == ()


def test_no_desk_is_offered_that_nobody_has_a_number_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brain and gateway have a setting each: what neither was told of, neither knows; the example tells both alike."""
    monkeypatch.delenv("BRAIN_DESKS", raising=False)
    monkeypatch.delenv("BOTEL_CALL_DESKS", raising=False)
    assert set(BrainSettings().desk_names()) == set(CallSettings().desks) == set()
    example = tmp_path / ".env"
    example.write_text(re.sub(r"(?m)^#(?=BRAIN_DESKS=|BOTEL_CALL_DESKS=)", "", Path(".env.example").read_text()))
    for name in ("BRAIN_DESKS", "BOTEL_CALL_DESKS"):
        monkeypatch.setenv(name, read_dotenv(example)[name])
    assert set(BrainSettings().desk_names()) == set(CallSettings().desks) != set()


@pytest.mark.parametrize("text", ["tel:+49", "bar; spa", "x" * 41, ",".join("a" * n for n in range(1, MAX_DESKS + 2))])
def test_a_setting_that_is_no_list_of_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="desk"):
        parse_desks(text)
