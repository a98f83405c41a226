"""The question that another gateway left behind: asked aloud, and what was heard of its answer is not known.

Whoever takes the call over gives the answer from its beginning: the guest has heard it broken off, or not at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence

from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import AnyEvent, Author, Channel, MessageReceived, ReplyGenerated, ReplyHeard, ReplyStatus

LOOK_BACK = 200
"""Events before the take-over among which the question is looked for."""


def unheard_in(events: Sequence[AnyEvent], *, now_ms: int, within_ms: int) -> MessageReceived | None:
    """The guest's last word, if it was spoken, not long ago, and nobody knows what was heard of the answer."""
    messages = [event for event in events if isinstance(event, MessageReceived) and event.author is Author.GUEST]
    last = messages[-1] if messages else None
    if last is None or last.channel is not Channel.VOICE or now_ms - last.time_ms > within_ms:
        return None
    for event in events:
        # An answer that was cut, and nobody spoke since: the gateway cut it when it left.
        told = (isinstance(event, ReplyHeard) and event.complete) or (
            isinstance(event, ReplyGenerated) and event.status is not ReplyStatus.FINISHED
        )
        if told and event.turn_id == last.turn_id:
            return None
    return last


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
