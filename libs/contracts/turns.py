"""What the turn queue hands to a brain."""

from __future__ import annotations

import enum

import msgspec

from libs.contracts.events import MessageReceived


class Verdict(enum.StrEnum):
    """What a claim says of the turn. Anything but GO is committed at once without running."""

    GO = "go"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"


class MailboxItem(msgspec.Struct, frozen=True):
    """One accepted turn in a conversation's mailbox: `turn number deadline accepted`, separated by a blank."""

    turn_id: str
    number: int
    """The log number of its `message.received`."""
    deadline_ms: int
    """Unix milliseconds by Redis's clock; 0: none."""
    accepted_ms: int

    @classmethod
    def parse(cls, text: str) -> MailboxItem:
        turn_id, number, deadline, accepted = text.split(" ")
        return cls(turn_id, int(number), int(deadline), int(accepted))


class Activation(msgspec.Struct, frozen=True):
    """An entry of the `turns` stream as a brain reads it."""

    entry_id: str
    conversation_id: str
    turn_id: str
    message: MessageReceived | None
    """The head turn's message; None when it did not decode (`reason` says why)."""
    reason: str = ""


class Grant(msgspec.Struct, frozen=True):
    """The right to answer one turn, fenced by (worker, epoch)."""

    conversation_id: str
    item: MailboxItem
    epoch: int
    attempt: int
    verdict: Verdict
    draft: str
    """Text already emitted by a run before this one."""
    last_number: int
    subscribers: tuple[str, ...]
    """Gateways that follow the conversation."""
    subscriber_version: int
