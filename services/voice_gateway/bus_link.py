"""A call's line to the brains, over the bus: turns out, replies in, and what was heard.

One subscription lives as long as the call. It sees everything that happens in the conversation, in order: the pieces of
this call's replies go to whoever asked, what others do goes to `elsewhere`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.subscription import Piece, Subscription
from libs.contracts.errors import BotelError, BusUnavailable, UnknownConversation
from libs.contracts.events import (
    AnyEvent,
    Author,
    CallEnded,
    CallQuality,
    CallStarted,
    Channel,
    ConversationOpened,
    MessageReceived,
    ReplyHeard,
)
from libs.contracts.ids import check_external_id, check_id
from services.voice_gateway.ports import CallerIdentity, EndReason, HeardReport, ReplyPiece, SpokenTurn

_log = logging.getLogger(__name__)
_AGAIN_S = 0.5


class BusExchange:
    """Implements `ports.Exchange`: opens or finds the caller's conversation, and follows it."""

    def __init__(
        self, conversations: Conversations, feed: Feed, *, now_ms: Callable[[], int], new_id: Callable[[str], str]
    ) -> None:
        self._conversations, self._feed, self._now_ms, self._new_id = conversations, feed, now_ms, new_id

    async def connect(self, caller: CallerIdentity) -> BusLink:
        """See `ports.Exchange.connect`."""
        check_id(caller.property_id, "property_id")
        conversation_id = caller.conversation_id or await self._open(caller)
        check_id(conversation_id, "conversation_id")
        subscription = await self._feed.follow(caller.property_id, conversation_id)
        return BusLink(
            self._conversations,
            self._feed,
            subscription,
            now_ms=self._now_ms,
            new_id=self._new_id,
        )

    async def _open(self, caller: CallerIdentity) -> str:
        for field in ("customer_id", "reservation_id"):
            if value := getattr(caller, field):
                check_external_id(value, field)
        event = ConversationOpened(
            id=self._new_id("event"),
            time_ms=self._now_ms(),
            property_id=caller.property_id,
            conversation_id=self._new_id("conv"),
            author=Author.SYSTEM,
            channel=Channel.VOICE,
            customer_id=caller.customer_id,
            reservation_id=caller.reservation_id,
        )
        context = {
            "property_id": caller.property_id,
            "customer_id": caller.customer_id,
            "reservation_id": caller.reservation_id,
        }
        opened = await self._conversations.open(event, {name: value for name, value in context.items() if value})
        return opened.conversation_id


class BusLink:
    """Implements `ports.BrainLink`."""

    def __init__(
        self,
        conversations: Conversations,
        feed: Feed,
        subscription: Subscription,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[str], str],
    ) -> None:
        self._conversations, self._feed, self._subscription = conversations, feed, subscription
        self._property, self._conversation = subscription.property_id, subscription.conversation_id
        self._now_ms, self._new_id = now_ms, new_id
        self._asked: dict[str, asyncio.Queue[ReplyPiece]] = {}
        self._mine: set[str] = set()
        """Ids of turns and events of this call."""
        self._others: asyncio.Queue[AnyEvent | None] = asyncio.Queue(maxsize=256)
        self._listening = asyncio.create_task(self._listen(), name=f"call {self._conversation}")

    @property
    def conversation_id(self) -> str:
        return self._conversation

    async def ask(self, turn: SpokenTurn, *, deadline_ms: int) -> AsyncIterator[ReplyPiece]:
        """See `ports.BrainLink.ask`."""
        pieces = self._asked[turn.turn_id] = asyncio.Queue()
        self._mine.add(turn.turn_id)
        try:
            await self._conversations.accept(
                MessageReceived(
                    id=f"{turn.turn_id}.message",
                    time_ms=self._now_ms(),
                    property_id=self._property,
                    conversation_id=self._conversation,
                    author=Author.GUEST,
                    channel=Channel.VOICE,
                    turn_id=turn.turn_id,
                    text=turn.text,
                    confidence=turn.confidence,
                    speech=turn.speech,
                ),
                deadline_ms=deadline_ms,
                gateway_id=self._feed.gateway_id,
            )
            while True:
                piece = await pieces.get()
                yield piece
                if piece.end:
                    return
        finally:
            del self._asked[turn.turn_id]

    async def cancel(self, turn_id: str) -> None:
        """See `ports.BrainLink.cancel`."""
        await self._conversations.cancel(self._property, self._conversation, turn_id)

    async def heard(self, report: HeardReport) -> None:
        """See `ports.BrainLink.heard`."""
        event_id = f"{report.turn_id}.heard"
        self._mine.add(event_id)
        await self._conversations.append(
            ReplyHeard(
                id=event_id,
                time_ms=self._now_ms(),
                property_id=self._property,
                conversation_id=self._conversation,
                author=Author.SYSTEM,
                channel=Channel.VOICE,
                turn_id=report.turn_id,
                text=report.text,
                complete=report.complete,
                heard_ms=report.heard_ms,
                timings=report.timings,
            )
        )

    async def call_started(self, call_id: str) -> None:
        """Record that the guest is on the line."""
        event_id = f"{call_id}.started"
        self._mine.add(event_id)
        await self._conversations.append(
            CallStarted(
                id=event_id,
                time_ms=self._now_ms(),
                property_id=self._property,
                conversation_id=self._conversation,
                author=Author.SYSTEM,
                channel=Channel.VOICE,
                gateway_id=self._feed.gateway_id,
                call_id=call_id,
            ),
            context={"call": call_id},
        )

    async def call_ended(self, call_id: str, reason: EndReason, duration_ms: int, quality: CallQuality) -> None:
        """Record the end of the call, and how it sounded."""
        event_id = f"{call_id}.ended"
        self._mine.add(event_id)
        await self._conversations.append(
            CallEnded(
                id=event_id,
                time_ms=self._now_ms(),
                property_id=self._property,
                conversation_id=self._conversation,
                author=Author.SYSTEM,
                channel=Channel.VOICE,
                call_id=call_id,
                reason=reason.value,
                duration_ms=duration_ms,
                quality=quality,
            ),
            context={"call": ""},
        )

    async def elsewhere(self) -> AsyncIterator[AnyEvent]:
        """See `ports.BrainLink.elsewhere`."""
        while (event := await self._others.get()) is not None:
            yield event

    async def close(self) -> None:
        """Stop following; idempotent."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._subscription.close()
        with contextlib.suppress(asyncio.QueueFull):
            self._others.put_nowait(None)

    async def _listen(self) -> None:
        """Sort what comes in; when the subscription breaks, follow again from where it was."""
        while True:
            try:
                async for item in self._subscription:
                    self._sort(item)
                return
            except BotelError as error:
                _log.warning("following again", extra={"conversation_id": self._conversation, "reason": error.detail})
            await self._follow_again()

    async def _follow_again(self) -> None:
        number = self._subscription.number
        while True:
            try:
                self._subscription = await self._feed.follow(self._property, self._conversation, after=number)
                return
            except UnknownConversation:
                raise
            except BusUnavailable:
                await asyncio.sleep(_AGAIN_S)

    def _sort(self, item: Piece | AnyEvent) -> None:
        if isinstance(item, Piece):
            if pieces := self._asked.get(item.turn_id):
                pieces.put_nowait(ReplyPiece(item.text, item.end))
        elif item.turn_id not in self._mine and item.id not in self._mine:
            with contextlib.suppress(asyncio.QueueFull):  # a watcher that does not look misses hints, nothing else
                self._others.put_nowait(item)
