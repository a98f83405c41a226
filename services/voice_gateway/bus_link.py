"""A call's line to the brains, over the bus: turns out, replies in, and what was heard.

One subscription lives as long as the call. It sees everything that happens in the conversation, in order: the pieces of
this call's replies go to whoever asked, what others do goes to `elsewhere`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from libs.bus.conversations import Accepted, Conversations
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
    CallQuality,
    Channel,
    ConversationOpened,
    Event,
    MessageReceived,
)
from libs.contracts.ids import check_external_id, check_id
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.voice_gateway.bus_commands import Commands
from services.voice_gateway.bus_following import Following
from services.voice_gateway.bus_records import Records
from services.voice_gateway.bus_unheard import answer_to, look_back
from services.voice_gateway.ports import CallCommand, CallerIdentity, EndReason, HeardReport, ReplyPiece, SpokenTurn

T = TypeVar("T")
_ATTEMPTS = 3
_REFUSALS = (ConversationBusy, Overloaded, TooLarge, TurnCancelled, UnknownConversation)
"""Nothing was written of the turn."""


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(BusUnavailable):
            return await attempt()
    return await attempt()


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
        self._conversations, self._feed, self._gateway = conversations, feed, feed.gateway_id
        self._now_ms = now_ms
        self._left: dict[str, MessageReceived] = {}
        """Questions that another gateway asked, and that are answered here."""
        self._property, self._conversation = subscription.property_id, subscription.conversation_id
        self._records = Records(self._property, self._conversation, feed.gateway_id, now_ms)
        self._before = subscription.number
        """The last event before this gateway had the call."""
        self._asked: dict[str, _Answer] = {}
        self._refused: set[str] = set()
        """Turns that the bus did not take: nothing is told of them."""
        self._broken = ""
        """Why no reply can come in any more."""
        self._mine: set[str] = set()
        """Ids of turns and events of this call."""
        self._others: asyncio.Queue[AnyEvent | None] = asyncio.Queue(maxsize=256)
        self._commands = Commands()
        self._following = Following(feed, subscription, self._sort, self._break)

    @property
    def conversation_id(self) -> str:
        return self._conversation

    async def ask(self, turn: SpokenTurn, *, deadline_ms: int) -> AsyncGenerator[ReplyPiece, None]:
        """See `ports.BrainLink.ask`. `BusUnavailable` at once when the line is broken."""
        if left := self._left.get(turn.turn_id):
            async for piece in self._answer_again(left):
                yield piece
            return
        async with contextlib.aclosing(self._converse(self._records.spoken(turn), deadline_ms)) as pieces:
            async for piece in pieces:
                yield piece

    async def write(self, turn_id: str, text: str) -> AsyncGenerator[ReplyPiece, None]:
        """See `ports.BrainLink.write`. `BusUnavailable` at once when the line is broken."""
        async with contextlib.aclosing(self._converse(self._records.written(turn_id, text))) as pieces:
            async for piece in pieces:
                yield piece

    async def unheard(self, within_ms: int) -> tuple[str, str] | None:
        """See `ports.BrainLink.unheard`."""
        left = await look_back(
            self._conversations,
            self._property,
            self._conversation,
            before=self._before,
            now_ms=self._now_ms(),
            within_ms=within_ms,
        )
        if left is None:
            return None
        self._left[left.turn_id] = left
        self._mine.add(left.turn_id)
        return left.turn_id, left.text

    async def _answer_again(self, turn: MessageReceived) -> AsyncGenerator[ReplyPiece, None]:
        answer = _Answer()
        async with contextlib.aclosing(answer_to(turn, self._conversations, self._feed)) as items:
            async for item in items:
                if isinstance(item, Piece):
                    answer.offer(item)
                else:
                    answer.offer(Piece(turn_id=item.turn_id, offset=0, text=item.text, end=item.status))
                while not answer.pieces.empty():
                    piece = answer.pieces.get_nowait()
                    assert isinstance(piece, ReplyPiece)
                    yield piece

    async def _converse(self, message: MessageReceived, deadline_ms: int = 0) -> AsyncGenerator[ReplyPiece, None]:
        if self._broken:
            self._refused.add(message.turn_id)
            raise BusUnavailable(self._broken)
        answer = _Answer()
        first = self._asked.setdefault(message.turn_id, answer) is answer
        self._mine.add(message.turn_id)
        try:
            accepted = await self._accept(message, deadline_ms)
            if accepted.duplicate or not first:  # its pieces have gone by, or go to whoever asked first
                async with contextlib.aclosing(
                    self._answer_again(msgspec.structs.replace(message, number=accepted.number))
                ) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            while True:
                told = await answer.pieces.get()
                if isinstance(told, BotelError):
                    raise told
                yield told
                if told.end:
                    return
        finally:
            if first:
                del self._asked[message.turn_id]

    async def _accept(self, message: MessageReceived, deadline_ms: int) -> Accepted:
        try:
            if len(message.text.encode()) > MAX_MESSAGE_BYTES:
                raise TooLarge(f"{MAX_MESSAGE_BYTES} bytes at most")
            accepted = await self._conversations.accept(message, deadline_ms=deadline_ms, gateway_id=self._gateway)
        except _REFUSALS:
            self._refused.add(message.turn_id)
            raise
        self._refused.discard(message.turn_id)
        return accepted

    async def cancel(self, turn_id: str) -> None:
        """See `ports.BrainLink.cancel`."""
        if turn_id in self._refused:
            return
        await self._conversations.cancel(self._property, self._conversation, turn_id)

    async def heard(self, report: HeardReport) -> None:
        """See `ports.BrainLink.heard`."""
        if report.turn_id in self._refused:
            return
        await self._append(self._records.heard(report, again=report.turn_id in self._left))

    async def call_started(self, call_id: str) -> None:
        """Record that the guest is on the line. Of a call that had begun before, take what was left to be done."""
        self._commands.begin(call_id)
        number = await self._append(self._records.started(call_id), context={"call": call_id})
        if number <= self._before:
            left = await self._conversations.read(self._property, self._conversation, after=number)
            self._commands.inherit(event for event in left.events if event.number <= self._before)
            for event in left.events:
                self._commands.see(event)

    async def call_ended(self, call_id: str, reason: EndReason, duration_ms: int, quality: CallQuality) -> None:
        """Record the end of the call, and how it sounded. The guest may be in another call by now."""
        now = await _insist(lambda: self._conversations.read(self._property, self._conversation, count=1))
        context = {"call": ""} if now.context.get("call") == call_id else None
        await self._append(self._records.ended(call_id, reason, duration_ms, quality), context)

    def commands(self) -> AsyncIterator[CallCommand]:
        """See `ports.BrainLink.commands`."""
        return aiter(self._commands)

    async def command_done(self, command_id: str, *, ok: bool, detail: str = "") -> None:
        """See `ports.BrainLink.command_done`."""
        turn_id = self._commands.turn_of(command_id)
        await self._append(self._records.completed(command_id, turn_id, ok=ok, detail=detail))

    async def _append(self, event: Event, context: dict[str, str] | None = None) -> int:
        """Record an event of this call; its number. An id takes effect once, so an unknown outcome is tried again."""
        self._mine.add(event.id)
        return await _insist(lambda: self._conversations.append(event, context))

    async def elsewhere(self) -> AsyncIterator[AnyEvent]:
        """See `ports.BrainLink.elsewhere`."""
        while (event := await self._others.get()) is not None:
            yield event

    async def close(self) -> None:
        """Stop following; idempotent."""
        await self._following.close()
        self._commands.close()
        with contextlib.suppress(asyncio.QueueFull):
            self._others.put_nowait(None)

    def _break(self, why: str) -> None:
        """Whoever waits for a reply is told that none comes."""
        self._broken = why
        for answer in self._asked.values():
            answer.pieces.put_nowait(BusUnavailable(why))

    def _sort(self, item: Piece | AnyEvent) -> None:
        if isinstance(item, Piece):
            if answer := self._asked.get(item.turn_id):
                answer.offer(item)
            return
        self._commands.see(item)
        if item.turn_id not in self._mine and item.id not in self._mine:
            with contextlib.suppress(asyncio.QueueFull):  # a watcher that does not look misses hints, nothing else
                self._others.put_nowait(item)
