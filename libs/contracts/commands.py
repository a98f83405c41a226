"""What a brain may ask a voice gateway to do in a call. Executed once, answered by `command.completed`."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", omit_defaults=True):
    """Base of all call commands."""


class Transfer(Command, frozen=True, tag="transfer"):
    to: str
    """A phone number (`tel:`), a SIP address or the name of a desk."""


class HangUp(Command, frozen=True, tag="hang-up"):
    reason: str = ""


class Pause(Command, frozen=True, tag="pause"):
    seconds: int = 0
    """0: until resumed."""


class Resume(Command, frozen=True, tag="resume"):
    pass


class Say(Command, frozen=True, tag="say"):
    text: str


class Show(Command, frozen=True, tag="show"):
    card_id: str


AnyCommand = Transfer | HangUp | Pause | Resume | Say | Show
