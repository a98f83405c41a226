"""What a brain may ask a voice gateway to do in a call. Executed once, answered by `command.completed`."""

from __future__ import annotations

import msgspec

from libs.contracts.errors import InvalidRequest, TooLarge
from libs.contracts.ids import check_external_id, check_id
from libs.contracts.limits import MAX_COMMAND_TEXT_BYTES, MAX_PAUSE_S


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", omit_defaults=True):
    """Base of all call commands."""


class Transfer(Command, frozen=True, tag="transfer"):
    to: str
    """A phone number (`tel:`), a SIP address or the name of a desk."""


class HangUp(Command, frozen=True, tag="hang-up"):
    reason: str = ""


class Pause(Command, frozen=True, tag="pause"):
    seconds: int = 0
    """0: until resumed, or until the longest pause is over (`limits.MAX_PAUSE_S`)."""


class Resume(Command, frozen=True, tag="resume"):
    pass


class Say(Command, frozen=True, tag="say"):
    text: str


class Show(Command, frozen=True, tag="show"):
    card_id: str


AnyCommand = Transfer | HangUp | Pause | Resume | Say | Show


def check_command(command: AnyCommand) -> None:
    """Raises `InvalidRequest`, or `TooLarge`, for a command past its limits.

    Whoever requests one checks it, and whoever carries it out checks it again. Decoding does not: what is on the record
    must stay readable.
    """
    match command:
        case Transfer():
            check_external_id(command.to, "to")
        case HangUp() if command.reason:
            _check_text(command.reason, "reason")
        case Pause() if not 0 <= command.seconds <= MAX_PAUSE_S:
            raise InvalidRequest(f"seconds: 0 to {MAX_PAUSE_S}")
        case Say():
            if not command.text.strip():
                raise InvalidRequest("text: something to say")
            _check_text(command.text, "text")
        case Show():
            check_id(command.card_id, "card_id")
        case _:
            pass


def _check_text(text: str, field: str) -> None:
    if len(text.encode(errors="replace")) > MAX_COMMAND_TEXT_BYTES:
        raise TooLarge(f"{field}: {MAX_COMMAND_TEXT_BYTES} bytes at most")
