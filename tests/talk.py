"""Events for tests: a conversation is built line by line, and numbered as a log would."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from libs.contracts.codec import encode
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    ContextUpdated,
    ConversationOpened,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
)


class Talk:
    """Each method makes the next event of one conversation."""

    def __init__(self, conversation_id: str = "conv-1", property_id: str = "harbour", begin_ms: int = 1_000) -> None:
        self.conversation_id = conversation_id
        self.property_id = property_id
        self._begin_ms = begin_ms
        self._numbers = itertools.count(1)

    def opened(self, *, customer_id: str = "", reservation_id: str = "") -> ConversationOpened:
        return ConversationOpened(
            **self._next(Author.SYSTEM, Channel.TEXT), customer_id=customer_id, reservation_id=reservation_id
        )

    def asks(self, text: str, turn: str, channel: Channel = Channel.TEXT) -> MessageReceived:
        return MessageReceived(**self._next(Author.GUEST, channel, turn), text=text)

    def says(
        self, text: str, turn: str, channel: Channel = Channel.TEXT, status: ReplyStatus = ReplyStatus.FINISHED
    ) -> ReplyGenerated:
        return ReplyGenerated(**self._next(Author.CONCIERGE, channel, turn), text=text, status=status)

    def heard(self, text: str, turn: str, *, complete: bool = True) -> ReplyHeard:
        return ReplyHeard(**self._next(Author.GUEST, Channel.VOICE, turn), text=text, complete=complete)

    def noted(self, **fields: str) -> ContextUpdated:
        return ContextUpdated(**self._next(Author.STAFF, Channel.SYSTEM), fields=fields)

    def _next(self, author: Author, channel: Channel, turn: str = "") -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "id": f"{self.conversation_id}-evt-{number}",
            "time_ms": self._begin_ms + number,
            "property_id": self.property_id,
            "conversation_id": self.conversation_id,
            "author": author,
            "channel": channel,
            "turn_id": turn,
            "number": number,
        }


def body_of(event: AnyEvent) -> bytes:
    """As it stands on a stream: encoded without its number."""
    return encode(msgspec.structs.replace(event, number=0))
