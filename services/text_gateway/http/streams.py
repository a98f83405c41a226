"""Replies and events as server-sent events."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

import msgspec

from libs.bus.pieces import Piece
from libs.contracts.errors import BotelError
from libs.contracts.events import ReplyGenerated
from libs.web.errors import TooManyStreams
from libs.web.event_stream import frame
from libs.web.problems import problem
from services.text_gateway.domain.outcome import failure_of
from services.text_gateway.ports import Following
from services.text_gateway.turns import Turn, Turns

_encode = msgspec.json.Encoder().encode


class StreamSlots:
    """How many event streams this process has open, at most: in all, and with one key."""

    def __init__(self, limit: int, limit_of_key: int) -> None:
        self._limit, self._limit_of_key = limit, limit_of_key
        self._by_key = Counter[str]()

    @property
    def open(self) -> int:
        return self._by_key.total()

    def take(self, key_id: str) -> Callable[[], None]:
        """What gives it back, to be called once. `TooManyStreams` when there is none left."""
        if self.open >= self._limit:
            raise TooManyStreams
        if self._by_key[key_id] >= self._limit_of_key:
            raise TooManyStreams("This key has as many open event streams as one may have: close some, or try again.")
        self._by_key[key_id] += 1
        return partial(self._give_back, key_id)

    def _give_back(self, key_id: str) -> None:
        self._by_key[key_id] -= 1
        if not self._by_key[key_id]:
            del self._by_key[key_id]


async def turn_frames(turns: Turns, turn: Turn, request_id: str) -> AsyncGenerator[bytes, None]:
    """`turn`, then a `chunk` for every piece of the reply, then `end`; or `error` with a problem in it."""
    ids = {"conversationId": turn.conversation_id, "turnId": turn.turn_id}
    yield frame("turn", _encode({**ids, "number": turn.number}), turn.number)
    try:
        async with aclosing(turns.follow(turn)) as items:
            async for item in items:
                if isinstance(item, Piece):
                    if item.text:
                        yield frame("chunk", _encode({**ids, "offset": item.offset, "text": item.text}))
                elif error := failure_of(item):
                    yield _error(error, request_id)
                else:
                    yield _end(item)
    except BotelError as error:
        yield _error(error, request_id)


async def event_frames(following: Following, after: int, request_id: str) -> AsyncGenerator[bytes, None]:
    """`event` for every event, its number as id, and `chunk` for pieces of replies between them.

    `archived` before them when events after the resume point are in the store only.
    """
    if following.retired_to > after:
        told = {"conversationId": following.conversation_id, "after": after, "until": following.retired_to}
        yield frame("archived", _encode(told), following.retired_to)
    try:
        async for item in following:
            if isinstance(item, Piece):
                yield frame("chunk", _piece(following, item))
            else:
                yield frame("event", _encode(item), item.number)
    except BotelError as error:
        yield _error(error, request_id)


def _piece(following: Following, piece: Piece) -> bytes:
    told = {"conversationId": following.conversation_id, "turnId": piece.turn_id, "offset": piece.offset}
    return _encode({**told, "text": piece.text, **({"end": piece.end.value} if piece.end else {})})


def _end(reply: ReplyGenerated) -> bytes:
    body = {
        "response": reply.text,
        "conversationId": reply.conversation_id,
        "turnId": reply.turn_id,
        "status": reply.status.value,
    }
    return frame("end", _encode(body), reply.number)


def _error(error: BotelError, request_id: str) -> bytes:
    return frame("error", _encode(problem(error, request_id)))
