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
    CallQuality,
    Event,
    MessageReceived,
)
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.voice_gateway.bus_commands import Commands
from services.voice_gateway.bus_following import Following
from services.voice_gateway.bus_records import Records
from services.voice_gateway.bus_unheard import answer_to, look_back
from services.voice_gateway.ports import (
    CallCommand,
    EndReason,
    HeardReport,
    LeftTurn,
    ReplyPiece,
    SpokenTurn,
)
from services.voice_gateway.turn_spans import CallSpan, typed

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
            self.pieces.put_nowait(ReplyPiece(fresh, piece.end, piece.trace))


class BusLink:
    """Implements `ports.BrainLink`."""

    def __init__(
        self,
        conversations: Conversations,
        feed: Feed,
        subscription: Subscription,
        *,
        now_ms: Callable[[], int],
        call: CallSpan,
    ) -> None:
        self._conversations, self._feed, self._gateway = conversations, feed, feed.gateway_id
        self._now_ms, self._call = now_ms, call
        self._left: dict[str, MessageReceived] = {}
        """Questions that another gateway asked, and that are answered here."""
        self._property, self._conversation = subscription.property_id, subscription.conversation_id
        self._records = Records(self._property, self._conversation, feed.gateway_id, now_ms, call.trace)
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
    def property_id(self) -> str:
        return self._property

    @property
    def conversation_id(self) -> str:
        return self._conversation

    @property
    def trace(self) -> str:
        return self._call.trace

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
        with typed(self._call, turn_id) as trace:
            async with contextlib.aclosing(self._converse(self._records.written(turn_id, text, trace))) as pieces:
                async for piece in pieces:
                    yield piece

    async def unheard(self, within_ms: int) -> LeftTurn | None:
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
        return LeftTurn(left.turn_id, left.text, left.trace)

    async def _answer_again(self, turn: MessageReceived) -> AsyncGenerator[ReplyPiece, None]:
        answer = _Answer()
        async with contextlib.aclosing(answer_to(turn, self._conversations, self._feed)) as items:
            async for item in items:
                if isinstance(item, Piece):
                    answer.offer(item)
                else:
                    answer.offer(Piece(item.turn_id, item.text, 0, item.status, item.trace))
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
        self._call.begun(call_id)
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
        self._call.over(reason.value)
        await self._append(self._records.ended(call_id, reason, duration_ms, quality), context)

    def commands(self) -> AsyncIterator[CallCommand]:
        """See `ports.BrainLink.commands`."""
        return aiter(self._commands)

    async def command_done(self, command_id: str, *, ok: bool, detail: str = "") -> None:
        """See `ports.BrainLink.command_done`."""
        turn_id, trace = self._commands.origin(command_id)
        await self._append(self._records.completed(command_id, turn_id, ok=ok, detail=detail, trace=trace))

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
        self._call.over("")
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
