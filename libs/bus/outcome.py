"""What a worker reads of a turn before it runs, and writes down of it after: pure, whatever came of the run."""

from __future__ import annotations

import msgspec

from libs.bus.handler import Done
from libs.bus.queue import Claimed
from libs.contracts.codec import encode
from libs.contracts.errors import TooLarge
from libs.contracts.events import Author, Channel, MessageReceived, ReplyGenerated
from libs.contracts.limits import MAX_EVENT_BYTES
from libs.contracts.turns import Grant

_CUT_CHARS = MAX_EVENT_BYTES // 8
"""Fits whatever the characters are: JSON writes one as six bytes at most."""


def so_far(done: Done, reason: str = "") -> Done:
    """What is known of a reply that was cut: its usage is that of the model's messages before, so at least so much."""
    usage = done.usage and msgspec.structs.replace(done.usage, estimated=True)
    return msgspec.structs.replace(done, usage=usage, reason=reason)


def fitting(reply: ReplyGenerated) -> ReplyGenerated:
    """The event, or one with the beginning of the text: escaped, a draft within its limit may be past an event's."""
    try:
        encode(reply)
    except TooLarge:
        return msgspec.structs.replace(reply, text=reply.text[:_CUT_CHARS], reason="the text is cut to fit an event")
    return reply


def message_of(claimed: Claimed) -> MessageReceived:
    """The head turn's message: the log has it, at the number that the mailbox names."""
    item = claimed.grant.item
    for event in reversed(claimed.events):
        if event.number in (item.number, 0) and isinstance(event, MessageReceived) and event.turn_id == item.turn_id:
            return event
    return _lost_message(claimed.grant, claimed.context)


def _lost_message(grant: Grant, context: dict[str, str]) -> MessageReceived:
    """A message that does not decode, or lies beyond the log tail: an empty one, so that the turn still ends."""
    return MessageReceived(
        id=grant.item.turn_id,
        time_ms=grant.item.accepted_ms,
        property_id=context.get("property_id", ""),
        conversation_id=grant.conversation_id,
        author=Author.GUEST,
        channel=Channel.TEXT,
        turn_id=grant.item.turn_id,
        text="",
        number=grant.item.number,
    )
