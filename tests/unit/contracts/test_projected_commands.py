"""What the projection makes of commands: only a failure is news."""

from __future__ import annotations

import pytest

from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Say, Show, Transfer
from libs.contracts.events import AnyEvent, Author, Channel, CommandCompleted, CommandRequested
from libs.contracts.projection import project
from tests.unit.contracts.test_projection import asks, base_of, lines, numbered, says, summary

VOICE = Channel.VOICE
HANG_UP = HangUp()


def wanted(turn: str, command_id: str, command: AnyCommand = HANG_UP) -> CommandRequested:
    base = base_of(turn, VOICE, Author.CONCIERGE)
    return CommandRequested(**base, command_id=command_id, command=command)  # type: ignore[arg-type]


def done(turn: str, command_id: str, *, ok: bool, detail: str = "") -> CommandCompleted:
    base = base_of(turn, VOICE, Author.SYSTEM)
    return CommandCompleted(**base, command_id=command_id, ok=ok, detail=detail)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [asks("1", "A"), wanted("1", "x"), says("1", "a"), done("1", "x", ok=True)],
            ["guest: A", "concierge: a"],
            id="a command that was carried out is no news",
        ),
        pytest.param(
            [asks("1", "A"), wanted("1", "x"), says("1", "a")],
            ["guest: A", "concierge: a"],
            id="a command that is not answered yet is no news",
        ),
        pytest.param(
            [
                asks("1", "A"),
                wanted("1", "x", Transfer(to="reception")),
                says("1", "a"),
                asks("2", "B"),
                done("", "x", ok=False, detail="nobody answered"),
            ],
            [
                "guest: A",
                "concierge: a",
                "note: putting the guest through to reception was not possible (nobody answered)",
                "guest: B",
            ],
            id="a command that failed is told behind the reply of its turn, however late it failed",
        ),
        pytest.param(
            [asks("1", "A"), wanted("1", "x"), done("1", "x", ok=True), done("1", "x", ok=False)],
            ["guest: A"],
            id="the first answer to a command counts",
        ),
        pytest.param(
            [asks("1", "A"), says("1", "a"), done("1", "x", ok=False, detail="lost")],
            ["guest: A", "concierge: a"],
            id="an answer without its request tells nothing",
        ),
        pytest.param(
            [asks("1", "A"), says("1", "a"), wanted("", "x", Show(card_id="c")), done("", "x", ok=False)],
            ["guest: A", "concierge: a", "note: showing a card was not possible"],
            id="a command of nobody's turn",
        ),
        pytest.param(
            [asks("1", "A"), wanted("1", "x"), says("1", "a"), done("1", "x", ok=False), summary("S", 4)],
            ["summary: S"],
            id="a summary covers notes, too",
        ),
    ],
)
def test_rule(events: list[AnyEvent], expected: list[str]) -> None:
    assert lines(project(numbered(*events))) == expected


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Transfer(to="bar"), "putting the guest through to bar was not possible (x)"),
        (HangUp(), "ending the call was not possible (x)"),
        (Pause(), "pausing the call was not possible (x)"),
        (Resume(), "resuming the call was not possible (x)"),
        (Say(text="a"), "saying something in the call was not possible (x)"),
        (Show(card_id="c"), "showing a card was not possible (x)"),
    ],
)
def test_every_command_can_fail_in_words(command: AnyCommand, text: str) -> None:
    [_, note] = project(numbered(asks("1", "A"), wanted("1", "x", command), done("1", "x", ok=False, detail="x")))

    assert (note.text, note.turn_id, note.number, note.ok) == (text, "1", 3, False)
