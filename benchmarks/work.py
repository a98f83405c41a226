"""The work that the bus and its peers do alike: the same question, the same tokens, the same reply, the same JSON."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator

from libs.contracts.events import Author, Channel, MessageReceived, ReplyGenerated, ReplyStatus

PROPERTY = "harbour"
TOKENS = tuple(f"word{number:02} " for number in range(20))
REPLY = "".join(TOKENS)
QUESTION = "Could you tell me when breakfast is served tomorrow, and whether a late checkout is possible?"


async def tokens() -> AsyncGenerator[str, None]:
    """A model without latency: it only lets others run between tokens, as a stream from a socket does."""
    for token in TOKENS:
        yield token
        await asyncio.sleep(0)


def message(conversation_id: str, text: str = QUESTION) -> MessageReceived:
    """A guest's message with a fresh turn id."""
    turn = f"turn-{uuid.uuid4().hex}"
    return MessageReceived(
        id=turn,
        time_ms=now_ms(),
        property_id=PROPERTY,
        conversation_id=conversation_id,
        author=Author.GUEST,
        channel=Channel.TEXT,
        turn_id=turn,
        text=text,
    )


def reply(asked: MessageReceived, text: str) -> ReplyGenerated:
    """The event that answers a message."""
    return ReplyGenerated(
        id=f"{asked.turn_id}.reply",
        time_ms=now_ms(),
        property_id=asked.property_id,
        conversation_id=asked.conversation_id,
        author=Author.CONCIERGE,
        channel=asked.channel,
        turn_id=asked.turn_id,
        text=text,
        status=ReplyStatus.FINISHED,
    )


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
