"""One connection to Redis that is made again, with back-off, when it breaks.

redis-py connects (URL, TLS, AUTH, SELECT); then the transport is ours: hiredis parses replies as they arrive, and they
are handed on without a task in between.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.bus.observer import Observer
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.02, 0.5
_NOT_SERVING = ("LOADING ", "READONLY ")
"""Beginnings of error replies of a server that cannot serve now: a later try finds it ready, or the new master."""
_log = logging.getLogger(__name__)

Part = str | bytes | int


class LinkDown(BusUnavailable):
    """The connection broke: what was sent may or may not have taken effect."""


def pack(parts: Sequence[Part]) -> bytes:
    """One command in RESP."""
    packed: bytes = hiredis.pack_command(tuple(parts))  # type: ignore[arg-type]  # its stub wants one type for all
    return packed


class Link:
    """Writes packed commands and hands over their replies, in order.

    `on_reply` gets each reply, an error reply as a `ResponseError`; `on_lost` is called once, with the reason, when the
    connection breaks: replies that are still owed will not come.
    """

    def __init__(
        self,
        settings: BusSettings,
        observer: Observer,
        *,
        name: str,
        on_reply: Callable[[Any], None],
        on_lost: Callable[[str], None],
    ) -> None:
        pool = ConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            protocol=2,
            decode_responses=False,
            socket_connect_timeout=settings.connect_timeout_ms / 1000,
            socket_timeout=settings.connect_timeout_ms / 1000,
            health_check_interval=0,
            client_name=f"botel-{name}",
        )
        self._make: Callable[[], AbstractConnection] = pool.make_connection
        self._observer = observer
        self._name = name
        self._on_reply, self._on_lost = on_reply, on_lost
        self._connection: AbstractConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._connected_before = False
        self._told_away = False

    @property
    def connected(self) -> bool:
        return self._transport is not None

    async def connect_once(self) -> None:
        """One try; `LinkDown` with the reason when Redis does not answer."""
        connection, asked = self._make(), _cancel_requests()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            if _cancel_requests() > asked:  # redis-py can lose a cancellation that comes while it connects
                raise asyncio.CancelledError
        except (RedisConnectionError, RedisTimeoutError, ResponseError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise LinkDown(f"Redis does not answer: {error}") from error
        except asyncio.CancelledError:
            await connection.disconnect(nowait=True)
            raise
        self._adopt(connection)
        if self._connected_before:
            self._observer.reconnected(self._name)
        self._connected_before = True
        self._told_away = False

    async def connect(self) -> None:
        """Try until it works, with jittered back-off."""
        delay = _FIRST_BACKOFF_S
        while not self.connected:
            try:
                await self.connect_once()
            except LinkDown as error:
                self._tell_away(error.detail)
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))
                delay = min(delay * 2, _LAST_BACKOFF_S)

    def _tell_away(self, reason: str) -> None:
        """Once per outage: an operator is told, not flooded."""
        level = logging.DEBUG if self._told_away else logging.WARNING
        self._told_away = True
        _log.log(level, "redis is away", extra={"link": self._name, "reason": reason})

    def write(self, packed: bytes) -> None:
        """Send commands; their replies come in the same order. `LinkDown` when not connected."""
        if self._transport is None:
            raise LinkDown("Redis is not connected")
        self._transport.write(packed)

    def drop(self, reason: str) -> None:
        """Break the connection off, and say so to `on_lost`."""
        if self._close():
            self._on_lost(f"Redis broke off: {reason}")

    def close(self) -> None:
        """Close without a word to anybody."""
        self._close()

    def _adopt(self, connection: AbstractConnection) -> None:
        """Take the transport over from redis-py's streams: nothing is owed on it after the handshake."""
        assert connection._writer is not None, "redis-py connected without a transport"
        transport = cast(asyncio.Transport, connection._writer.transport)
        transport.set_protocol(_Replies(transport, self._on_reply, self._break))
        self._connection, self._transport = connection, transport

    def _close(self) -> bool:
        connection, transport = self._connection, self._transport
        self._connection = self._transport = None
        if connection is None or transport is None:
            return False
        connection._close()  # type: ignore[no-untyped-call]
        transport.abort()
        return True

    def _break(self, transport: asyncio.BaseTransport, reason: str) -> None:
        if transport is self._transport:  # else of a connection that was given up
            self.drop(reason)


class _Replies(asyncio.Protocol):
    """Parses what one transport brings."""

    def __init__(self, transport: asyncio.Transport, take: Callable[[Any], None], lose: Callable[..., None]) -> None:
        self._transport, self._take, self._lose = transport, take, lose
        self._parser = hiredis.Reader(replyError=ResponseError)

    def data_received(self, data: bytes) -> None:
        parser, take = self._parser, self._take
        parser.feed(data)
        try:
            while (reply := parser.gets()) is not False:  # False: no whole reply; RESP2 has no booleans
                if self._transport.is_closing():
                    return  # given up meanwhile
                if isinstance(reply, ResponseError) and str(reply).startswith(_NOT_SERVING):
                    self._lose(self._transport, str(reply))
                else:
                    take(reply)
        except hiredis.ProtocolError as error:
            self._lose(self._transport, str(error))

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(self._transport, str(error or "closed by the server"))


def _cancel_requests() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
