"""The question that another gateway left behind: asked aloud, and what was heard of its answer is not known.

Whoever takes the call over gives the answer from its beginning: the guest has heard it broken off, or not at all.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence

import msgspec

from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import AnyEvent, Author, Channel, MessageReceived, ReplyGenerated, ReplyHeard, ReplyStatus

_log = logging.getLogger(__name__)
LOOK_BACK = 200
"""Events before the take-over among which the question is looked for."""


class Found(msgspec.Struct, frozen=True):
    """What is known of the guest's last word. `turn`: to be answered from the beginning; `why`, or why not."""

    turn: MessageReceived | None
    turn_id: str
    why: str


def unheard_in(events: Sequence[AnyEvent], *, now_ms: int, within_ms: int) -> Found:
    """The guest's last word, if it was spoken, not long ago, and nobody knows what was heard of the answer."""
    messages = [event for event in events if isinstance(event, MessageReceived) and event.author is Author.GUEST]
    if not messages:
        return Found(None, "", "nothing asked")
    last = messages[-1]
    why = _settled(last, events) or ("too old" if now_ms - last.time_ms > within_ms else "")
    return Found(None, last.turn_id, why) if why else Found(last, last.turn_id, "not known to be heard")


def _settled(last: MessageReceived, events: Sequence[AnyEvent]) -> str:
    """Why nobody waits for an answer to this; '' when somebody may."""
    if last.channel is not Channel.VOICE:
        return "written"
    for event in events:
        if event.turn_id != last.turn_id:
            continue
        # An answer that was cut, and nobody spoke since: the gateway cut it when it left.
        if isinstance(event, ReplyHeard) and event.complete:
            return "heard"
        if isinstance(event, ReplyGenerated) and event.status is not ReplyStatus.FINISHED:
            return f"reply {event.status}"
    return ""


async def look_back(
    conversations: Conversations, property_id: str, conversation_id: str, *, before: int, now_ms: int, within_ms: int
) -> MessageReceived | None:
    """The question to answer from its beginning, if there is one, and a line in the log that says what was decided.

    `before`: the last event of which the gateway before could have known.
    """
    read = await conversations.read(property_id, conversation_id, after=max(0, before - LOOK_BACK))
    found = unheard_in(read.events, now_ms=now_ms, within_ms=within_ms)
    told = {"conversation_id": conversation_id, "turn_id": found.turn_id, "why": found.why}
    _log.info("answer begun again" if found.turn else "no answer begun again", extra=told)
    return found.turn


async def answer_to(
    turn: MessageReceived, conversations: Conversations, feed: Feed
) -> AsyncGenerator[Piece | ReplyGenerated, None]:
    """The answer from its beginning, whether it is written or still being written. Raises `BusUnavailable`."""
    # Follow before reading: what is not in the log by then comes by the subscription.
    with contextlib.closing(await feed.follow(turn.property_id, turn.conversation_id)) as following:
        after = max(0, turn.number - 1)
        known = await conversations.read(turn.property_id, turn.conversation_id, after=after)
        for event in known.events:
            if isinstance(event, ReplyGenerated) and event.turn_id == turn.turn_id:
                yield event
                return
        async for item in following:
            if item.turn_id != turn.turn_id or not isinstance(item, Piece | ReplyGenerated):
                continue
            yield item
            if isinstance(item, ReplyGenerated) or item.end:
                return
    raise BusUnavailable("the feed has closed")
