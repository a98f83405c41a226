"""A bus in memory with a concierge at its other end. Keeps the promises of the gateway's ports."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence

import msgspec

from libs.bus.conversations import Accepted, Opened, Snapshot
from libs.bus.pieces import Item, Piece
from libs.contracts.errors import TurnCancelled, UnknownConversation
from libs.contracts.events import (
    AnyEvent,
    Author,
    ConversationOpened,
    Event,
    MessageReceived,
    ReplyGenerated,
    ReplyStatus,
)
from libs.contracts.ids import identity_of

Answer = tuple[Sequence[str], ReplyStatus]
"""Pieces of a reply, and how it ends."""


def echo(message: MessageReceived) -> Answer | None:
    return ["You said: ", message.text], ReplyStatus.FINISHED


class FakeBus:
    """Conversations and feed at once. `answer` says what a message gets; None: nothing, for ever."""

    gateway_id = "gateway-1"

    def __init__(self) -> None:
        self.answer: Callable[[MessageReceived], Answer | None] = echo
        self.refuse: Exception | None = None
        """Raised by everything, while set."""
        self.logs: dict[str, list[AnyEvent]] = {}
        self.deadlines: list[int] = []
        self.cancelled: list[str] = []
        self.followers: list[FakeFollowing] = []
        self._context: dict[str, dict[str, str]] = {}
        self._identities: dict[str, str] = {}
        self._reply_ids = itertools.count()

    async def open(self, event: ConversationOpened, context: Mapping[str, str]) -> Opened:
        self._check()
        identity = identity_of(event.property_id, reservation_id=event.reservation_id, customer_id=event.customer_id)
        known = self._identities.get(identity) if identity else None
        if known or event.conversation_id in self.logs:
            return Opened(known or event.conversation_id, created=False)
        if identity:
            self._identities[identity] = event.conversation_id
        self._context[event.conversation_id] = dict(context)
        self.logs[event.conversation_id] = []
        self._record(event)
        return Opened(event.conversation_id, created=True)

    async def accept(self, message: MessageReceived, *, deadline_ms: int = 0, gateway_id: str = "") -> Accepted:
        self._check()
        assert gateway_id == self.gateway_id
        log = self._log(message.property_id, message.conversation_id)
        if message.turn_id in self.cancelled:
            raise TurnCancelled
        for event in log:
            if isinstance(event, MessageReceived) and event.turn_id == message.turn_id:
                return Accepted(event.number, 0, duplicate=True)
        self.deadlines.append(deadline_ms)
        number = self._record(message)
        if (answer := self.answer(message)) is not None:
            self._reply(message, answer)
        return Accepted(number, 0, duplicate=False)

    async def append(self, event: Event, context: Mapping[str, str] | None = None) -> int:
        self._check()
        for known in self._log(event.property_id, event.conversation_id):
            if known.id == event.id:
                return known.number
        fields = {**self._context[event.conversation_id], **(context or {})}
        self._context[event.conversation_id] = {name: value for name, value in fields.items() if value}
        return self._record(event)

    async def cancel(self, property_id: str, conversation_id: str, turn_id: str) -> str:
        self._check()
        log = self._log(property_id, conversation_id)
        self.cancelled.append(turn_id)
        return "running" if any(event.turn_id == turn_id for event in log) else "early"

    async def read(self, property_id: str, conversation_id: str, after: int = 0, count: int = 1_000) -> Snapshot:
        self._check()
        log = self._log(property_id, conversation_id)
        return Snapshot(
            dict(self._context[conversation_id]), [event for event in log if event.number > after][:count], len(log)
        )

    async def follow(self, property_id: str, conversation_id: str, *, after: int | None = None) -> FakeFollowing:
        self._check()
        log = self._log(property_id, conversation_id)
        following = FakeFollowing(conversation_id)
        for event in log:
            if after is not None and event.number > after:
                if isinstance(event, ReplyGenerated) and not event.imported:
                    following.put(Piece(event.turn_id, event.text, 0, event.status))
                following.put(event)
        self.followers.append(following)
        return following

    def _reply(self, message: MessageReceived, answer: Answer) -> None:
        pieces, status = answer
        offset = 0
        for piece in pieces:
            self._tell(message.conversation_id, Piece(message.turn_id, piece, offset))
            offset += len(piece.encode())
        reply = ReplyGenerated(
            id=f"reply-{next(self._reply_ids)}",
            time_ms=1,
            property_id=message.property_id,
            conversation_id=message.conversation_id,
            turn_id=message.turn_id,
            author=Author.CONCIERGE,
            channel=message.channel,
            text="".join(pieces),
            status=status,
        )
        self._record(reply)

    def _record(self, event: Event) -> int:
        log = self.logs[event.conversation_id]
        numbered: AnyEvent = msgspec.structs.replace(event, number=len(log) + 1)  # type: ignore[assignment]
        log.append(numbered)
        self._tell(event.conversation_id, numbered)
        return numbered.number

    def _tell(self, conversation_id: str, item: Item) -> None:
        for following in self.followers:
            if following.conversation_id == conversation_id and not following.closed:
                following.put(item)

    def _log(self, property_id: str, conversation_id: str) -> list[AnyEvent]:
        log = self.logs.get(conversation_id)
        if not log or log[0].property_id != property_id:
            raise UnknownConversation
        return log

    def _check(self) -> None:
        if self.refuse:
            raise self.refuse


class FakeFollowing:
    retired_to = 0

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.closed = False
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()

    def put(self, item: Item) -> None:
        self._items.put_nowait(item)

    def __aiter__(self) -> FakeFollowing:
        return self

    async def __anext__(self) -> Item:
        item = await self._items.get()
        if item is None:
            raise StopAsyncIteration
        return item

    def close(self) -> None:
        self.closed = True
        self._items.put_nowait(None)
