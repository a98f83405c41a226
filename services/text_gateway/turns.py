"""One text turn: find or open the conversation, bring in its history, hand the message to the bus, follow the reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, closing

import msgspec

from libs.bus.pieces import Item, Piece
from libs.bus.run_span import messaging
from libs.bus.tracing import NULL_SPAN, Kind, NullTracer, Span, Tracer
from libs.contracts.context import opening_context
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    ConversationOpened,
    MessageReceived,
    ReplyGenerated,
    ReplyStatus,
)
from services.text_gateway.domain.chat import Chat, Line, Speaker
from services.text_gateway.domain.identity import conversation_of_key, imported_id, turn_of_key
from services.text_gateway.errors import IdempotencyConflict, ReplyTimeout
from services.text_gateway.ports import Conversations, Feed

_EMPTY_LOOK = 400
"""Events looked at to tell whether a conversation is still empty."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants, checked."""

    property_id: str
    chat: Chat
    conversation_id: str = ""
    """'': the guest's own, or a new one."""
    customer_id: str = ""
    reservation_id: str = ""
    idempotency_key: str = ""
    trace: str = ""
    """The client's traceparent; '': the turn begins a trace."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that the bus has taken in: whatever becomes of the client now, it is answered."""

    property_id: str
    conversation_id: str
    turn_id: str
    number: int
    """Log number of its message."""
    text: str
    duplicate: bool
    """The bus had it already."""
    span: Span = NULL_SPAN
    """From the request to the end of the answer; ended by whoever follows it."""


class Turns:
    """`now_ms` is Unix milliseconds; `new_id` makes an id of a kind."""

    def __init__(
        self,
        conversations: Conversations,
        feed: Feed,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[str], str],
        deadline_ms: int,
        reply_timeout_s: float,
        tracer: Tracer | None = None,
    ) -> None:
        self._conversations, self._feed = conversations, feed
        self._tracer = tracer or NullTracer()
        self._now_ms, self._new_id = now_ms, new_id
        self._deadline_ms, self._reply_timeout_s = deadline_ms, reply_timeout_s

    async def begin(self, ask: Ask) -> Turn:
        """Give the turn to the bus, once per idempotency key. Raises the bus's typed errors."""
        about = {"botel.property_id": ask.property_id, "botel.channel": Channel.TEXT.value}
        span = self._tracer.start("turn", ask.trace, kind=Kind.SERVER, attributes=about)
        try:
            with self._tracer.inside(span.trace, property_id=ask.property_id):
                return await self._begin(msgspec.structs.replace(ask, trace=span.trace), span)
        except BaseException as error:
            span.end(error=getattr(error, "code", type(error).__name__))
            raise

    async def _begin(self, ask: Ask, span: Span) -> Turn:
        conversation_id, created = ask.conversation_id, False
        if not conversation_id:
            conversation_id, created = await self._open(ask)
        if ask.chat.history and (created or await self._empty(ask, conversation_id)):
            await self._import(ask, conversation_id)
        key = ask.idempotency_key
        turn_id = turn_of_key(ask.property_id, key) if key else self._new_id("turn")
        message = MessageReceived(
            id=self._new_id("evt"),
            time_ms=self._now_ms(),
            property_id=ask.property_id,
            conversation_id=conversation_id,
            turn_id=turn_id,
            author=Author.GUEST,
            channel=Channel.TEXT,
            trace=ask.trace,
            text=ask.chat.text,
        )
        if self._tracer.on:
            ids = {"botel.conversation_id": conversation_id, "botel.turn_id": turn_id}
            span.set({**ids, "botel.question": self._tracer.words(ask.chat.text)})
        accepted = await self._conversations.accept(
            message, deadline_ms=self._deadline_ms, gateway_id=self._feed.gateway_id
        )
        return Turn(
            property_id=ask.property_id,
            conversation_id=conversation_id,
            turn_id=turn_id,
            number=accepted.number,
            text=ask.chat.text,
            duplicate=accepted.duplicate,
            span=span,
        )

    async def follow(self, turn: Turn) -> AsyncGenerator[Piece | ReplyGenerated, None]:
        """The reply's text as it is made, then its event. Leaving early does not cancel the turn.

        Raises `ReplyTimeout`, and `IdempotencyConflict` when the turn's id was another message's.
        """
        error = ""
        try:
            async with aclosing(self._follow(turn)) as items:
                async for item in items:
                    yield item
        except GeneratorExit:
            error = "left"
            raise
        except BaseException as broken:
            error = getattr(broken, "code", type(broken).__name__)
            raise
        finally:
            turn.span.end(error=error)

    async def _follow(self, turn: Turn) -> AsyncGenerator[Piece | ReplyGenerated, None]:
        # A repeated turn is followed from its own message on, so that it can be compared.
        after = turn.number - 1 if turn.duplicate else turn.number
        following = await self._feed.follow(turn.property_id, turn.conversation_id, after=after)
        deadline = asyncio.get_running_loop().time() + self._reply_timeout_s
        receiving = _Receiving(self._tracer, turn)
        with closing(following), closing(receiving):
            items = aiter(following)
            while True:
                item = await _next(items, deadline, turn)
                receiving.take(item)
                if isinstance(item, MessageReceived):
                    _check_same(turn, item)
                elif isinstance(item, Piece | ReplyGenerated) and item.turn_id == turn.turn_id:
                    yield item
                    if isinstance(item, ReplyGenerated):
                        return

    async def reply(self, turn: Turn) -> ReplyGenerated:
        """The whole reply. Raises as `follow` does."""
        async with aclosing(self.follow(turn)) as items:
            async for item in items:
                if isinstance(item, ReplyGenerated):
                    return item
        raise AssertionError("follow ends with the reply or an error")

    async def _open(self, ask: Ask) -> tuple[str, bool]:
        key = ask.idempotency_key
        event = ConversationOpened(
            id=self._new_id("evt"),
            time_ms=self._now_ms(),
            property_id=ask.property_id,
            conversation_id=conversation_of_key(ask.property_id, key) if key else self._new_id("conv"),
            author=Author.SYSTEM,
            channel=Channel.TEXT,
            trace=ask.trace,
            customer_id=ask.customer_id,
            reservation_id=ask.reservation_id,
        )
        opened = await self._conversations.open(event, opening_context(event))
        return opened.conversation_id, opened.created

    async def _empty(self, ask: Ask, conversation_id: str) -> bool:
        """Nothing was said yet, or only what an earlier, broken off import of the same lines has brought in."""
        snapshot = await self._conversations.read(ask.property_id, conversation_id, count=_EMPTY_LOOK)
        ours = {imported_id(conversation_id, at, line) for at, line in enumerate(ask.chat.history)}
        said = (event for event in snapshot.events if isinstance(event, MessageReceived | ReplyGenerated))
        first = min((event.number for event in snapshot.events), default=snapshot.number + 1)
        return first == 1 and all(event.id in ours for event in said)  # else its beginning is in the store only

    async def _import(self, ask: Ask, conversation_id: str) -> None:
        for at, line in enumerate(ask.chat.history):
            event_id = imported_id(conversation_id, at, line)
            await self._conversations.append(_imported(ask, conversation_id, event_id, line, self._now_ms()))


class _Receiving:
    """The span of a reply on its way over the bus, from its first piece to its end."""

    def __init__(self, tracer: Tracer, turn: Turn) -> None:
        self._tracer, self._turn = tracer, turn
        self._span: Span | None = None

    def take(self, item: Item) -> None:
        if not self._tracer.on or item.turn_id != self._turn.turn_id:
            return
        if isinstance(item, Piece) and self._span is None:
            told = messaging("receive", "receive", "chunks")
            parent = item.trace or self._turn.span.trace
            self._span = self._tracer.start("receive chunks", parent, kind=Kind.CONSUMER, attributes=told)
        elif isinstance(item, MessageReceived) and self._turn.duplicate:
            self._turn.span.link(item.trace)  # the trace of the request that was first with this turn

    def close(self) -> None:
        if self._span:
            self._span.end()


async def _next(items: AsyncIterator[Item], deadline: float, turn: Turn) -> Item:
    """The next item before the deadline (loop time). Each wait has its own limit: each may run in another task."""
    try:
        remaining = deadline - asyncio.get_running_loop().time()
        return await asyncio.wait_for(anext(items), remaining)
    except (TimeoutError, StopAsyncIteration) as error:
        raise ReplyTimeout(conversationId=turn.conversation_id, turnId=turn.turn_id) from error


def _imported(ask: Ask, conversation_id: str, event_id: str, line: Line, now_ms: int) -> AnyEvent:
    if line.speaker is Speaker.USER:
        return MessageReceived(
            id=event_id,
            time_ms=now_ms,
            property_id=ask.property_id,
            conversation_id=conversation_id,
            author=Author.GUEST,
            channel=Channel.TEXT,
            trace=ask.trace,
            text=line.text,
            imported=True,
        )
    return ReplyGenerated(
        id=event_id,
        time_ms=now_ms,
        property_id=ask.property_id,
        conversation_id=conversation_id,
        author=Author.CONCIERGE,
        channel=Channel.TEXT,
        trace=ask.trace,
        text=line.text,
        status=ReplyStatus.FINISHED,
        imported=True,
    )


def _check_same(turn: Turn, message: MessageReceived) -> None:
    if message.turn_id == turn.turn_id and message.text != turn.text:
        raise IdempotencyConflict(conversationId=turn.conversation_id, turnId=turn.turn_id)
