"""The limits of a command, and that one past them can still be read."""

from __future__ import annotations

import pytest

from libs.contracts.codec import decode, encode
from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Say, Show, Transfer, check_command
from libs.contracts.errors import InvalidRequest, MalformedMessage, TooLarge
from libs.contracts.events import Author, Channel, CommandRequested
from libs.contracts.limits import MAX_COMMAND_TEXT_BYTES, MAX_EXTERNAL_ID_CHARS, MAX_PAUSE_S

GOOD: list[AnyCommand] = [
    Transfer(to="reception"),
    Transfer(to="sip:desk@hotel.example"),
    HangUp(),
    HangUp(reason="goodbye"),
    Pause(),
    Pause(seconds=MAX_PAUSE_S),
    Resume(),
    Say(text="x" * MAX_COMMAND_TEXT_BYTES),
    Show(card_id="card-1"),
]
BAD: list[tuple[AnyCommand, type[Exception]]] = [
    (Transfer(to=""), InvalidRequest),
    (Transfer(to="tel:\x001"), InvalidRequest),
    (Transfer(to="x" * (MAX_EXTERNAL_ID_CHARS + 1)), InvalidRequest),
    (HangUp(reason="é" * MAX_COMMAND_TEXT_BYTES), TooLarge),
    (Pause(seconds=-1), InvalidRequest),
    (Pause(seconds=MAX_PAUSE_S + 1), InvalidRequest),
    (Say(text=" "), InvalidRequest),
    (Say(text="x" * (MAX_COMMAND_TEXT_BYTES + 1)), TooLarge),
    (Show(card_id="{0}:turns"), InvalidRequest),
]


def requested(command: AnyCommand) -> CommandRequested:
    return CommandRequested(
        id="e",
        time_ms=1,
        property_id="harbour",
        conversation_id="c",
        author=Author.CONCIERGE,
        channel=Channel.VOICE,
        command_id="cmd",
        command=command,
    )


@pytest.mark.parametrize("command", GOOD, ids=lambda command: str(type(command).__name__))
def test_a_command_within_its_limits_passes(command: AnyCommand) -> None:
    check_command(command)


@pytest.mark.parametrize(("command", "error"), BAD)
def test_a_command_past_its_limits_is_refused_and_stays_readable(command: AnyCommand, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_command(command)

    assert decode(encode(requested(command))) == requested(command)


@pytest.mark.parametrize(
    "command", ['{"do":"dance"}', '{"do":"pause","seconds":"ten"}', '{"do":"transfer"}', '"hang-up"', "{}"]
)
def test_what_is_no_command_does_not_decode(command: str) -> None:
    body = encode(requested(HangUp())).decode().replace('{"do":"hang-up"}', command).encode()

    with pytest.raises(MalformedMessage):
        decode(body)
