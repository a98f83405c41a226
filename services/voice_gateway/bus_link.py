"""A call's line to the brains, over the bus: turns out, replies in, and what was heard.

One subscription lives as long as the call. It sees everything that happens in the conversation, in order: the pieces of
this call's replies go to whoever asked, what others do goes to `elsewhere`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.bus.subscription import Subscription
from libs.contracts.errors import (
    BotelError,
    BusUnavailable,
    ConversationBusy,
    Overloaded,
    TooLarge,
    TurnCancelled,
    UnknownConversation,
)
from libs.contracts.events import (
    AnyEvent,
    Author,
    CallEnded,
    CallQuality,
    CallStarted,
    Channel,
    ConversationOpened,
    Event,
    MessageReceived,
    ReplyHeard,
)
from libs.contracts.ids import check_external_id, check_id
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.voice_gateway.ports import CallerIdentity, EndReason, HeardReport, ReplyPiece, SpokenTurn

_log = logging.getLogger(__name__)
_AGAIN_S = 0.5
_APPEND_ATTEMPTS = 3
_REFUSALS = (ConversationBusy, Overloaded, TooLarge, TurnCancelled, UnknownConversation)
"""Nothing was written of the turn."""


class _Answer:
    """The pieces of one reply on their way to whoever asked."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[ReplyPiece | BotelError] = asyncio.Queue()
        self._delivered = 0

    def offer(self, piece: Piece) -> None:
        """Take what is new of a piece: a subscription that begins again repeats the text so far."""
        data = piece.text.encode()
        fresh = data[max(0, self._delivered - piece.offset) :].decode()
        self._delivered = max(self._delivered, piece.offset + len(data))
        if fresh or piece.end:
            self.pieces.put_nowait(ReplyPiece(fresh, piece.end))


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
        return BusLink(self._conversations, self._feed, subscription, now_ms=self._now_ms)

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
        context = {name: getattr(caller, name) for name in ("property_id", "customer_id", "reservation_id")}
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
    ) -> None:
        self._conversations, self._feed, self._subscription = conversations, feed, subscription
        self._property, self._conversation = subscription.property_id, subscription.conversation_id
        self._now_ms = now_ms
        self._asked: dict[str, _Answer] = {}
        self._refused: set[str] = set()
        """Turns that the bus did not take: nothing is told of them."""
        self._broken = ""
        """Why no reply can come in any more."""
        self._mine: set[str] = set()
        """Ids of turns and events of this call."""
        self._others: asyncio.Queue[AnyEvent | None] = asyncio.Queue(maxsize=256)
        self._listening = asyncio.create_task(self._listen(), name=f"call {self._conversation}")

    @property
    def conversation_id(self) -> str:
        return self._conversation

    async def ask(self, turn: SpokenTurn, *, deadline_ms: int) -> AsyncGenerator[ReplyPiece, None]:
        """See `ports.BrainLink.ask`. `BusUnavailable` at once when the line is broken."""
        if self._broken:
            self._refused.add(turn.turn_id)
            raise BusUnavailable(self._broken)
        answer = self._asked[turn.turn_id] = _Answer()
        self._mine.add(turn.turn_id)
        try:
            await self._accept(turn, deadline_ms)
            while True:
                piece = await answer.pieces.get()
                if isinstance(piece, BotelError):
                    raise piece
                yield piece
                if piece.end:
                    return
        finally:
            del self._asked[turn.turn_id]

    async def _accept(self, turn: SpokenTurn, deadline_ms: int) -> None:
        message = MessageReceived(
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
        )
        try:
            if len(turn.text.encode()) > MAX_MESSAGE_BYTES:
                raise TooLarge(f"{MAX_MESSAGE_BYTES} bytes at most")
            await self._conversations.accept(message, deadline_ms=deadline_ms, gateway_id=self._feed.gateway_id)
        except _REFUSALS:
            self._refused.add(turn.turn_id)
            raise

    async def cancel(self, turn_id: str) -> None:
        """See `ports.BrainLink.cancel`."""
        if turn_id in self._refused:
            return
        await self._conversations.cancel(self._property, self._conversation, turn_id)

    async def heard(self, report: HeardReport) -> None:
        """See `ports.BrainLink.heard`."""
        if report.turn_id in self._refused:
            return
        await self._append(
            ReplyHeard(
                id=f"{report.turn_id}.heard",
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
        await self._append(
            CallStarted(
                id=f"{call_id}.started",
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
        await self._append(
            CallEnded(
                id=f"{call_id}.ended",
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

    async def _append(self, event: Event, context: dict[str, str] | None = None) -> None:
        """Record an event of this call. The same id takes effect once, so an unknown outcome is tried again."""
        self._mine.add(event.id)
        for attempt in range(1, _APPEND_ATTEMPTS + 1):
            try:
                await self._conversations.append(event, context)
                return
            except BusUnavailable:
                if attempt == _APPEND_ATTEMPTS:
                    raise

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
        """Sort what comes in until that is over; then whoever waits for a reply is told that none comes."""
        why = "the call's line is closed"
        try:
            await self._keep_following()
        except BotelError as error:
            why = f"the conversation cannot be followed any more: {error.code}"
            _log.warning("line lost", extra={"conversation_id": self._conversation, "reason": error.code})
        except Exception as error:
            why = f"the call's line broke: {type(error).__name__}"
            # An error's text may repeat the guest's words.
            _log.error("line broken", extra={"conversation_id": self._conversation, "error": type(error).__name__})
            _log.debug("line broken here", exc_info=True, extra={"conversation_id": self._conversation})
        finally:
            self._broken = why
            for answer in self._asked.values():
                answer.pieces.put_nowait(BusUnavailable(why))

    async def _keep_following(self) -> None:
        """Until the feed closes; when the subscription breaks, follow again from where it was."""
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
            except BusUnavailable:
                await asyncio.sleep(_AGAIN_S)

    def _sort(self, item: Piece | AnyEvent) -> None:
        if isinstance(item, Piece):
            if answer := self._asked.get(item.turn_id):
                answer.offer(item)
        elif item.turn_id not in self._mine and item.id not in self._mine:
            with contextlib.suppress(asyncio.QueueFull):  # a watcher that does not look misses hints, nothing else
                self._others.put_nowait(item)
