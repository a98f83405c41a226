"""One connection to Redis that is made again, with back-off, when it breaks or the server does not serve any more.

A `Server` finds and connects (URL, TLS, AUTH, SELECT); then the transport is ours: hiredis parses replies as they
arrive, and they are handed on without a task in between.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError

from libs.bus.deployment import Address
from libs.bus.observer import Observer
from libs.bus.refusals import denied, not_serving, untrusted
from libs.bus.servers import Server
from libs.contracts.errors import BusDenied, BusUnavailable

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.02, 0.5
_DENIED_BACKOFF_S = 2.0
"""A password does not become right by trying; somebody may correct it on the server, though."""
_STEADY_S = 1.0
"""A server that has served so long is tried again at once when it refuses."""
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
    connection breaks: replies that are still owed will not come. Refusals of a server that does not serve any more
    are not handed over: they break the connection.
    """

    def __init__(
        self,
        server: Server,
        observer: Observer,
        *,
        name: str,
        on_reply: Callable[[Any], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._server = server
        self._observer = observer
        self._name = name
        self._on_reply, self._on_lost = on_reply, on_lost
        self._connection: AbstractConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._address: Address | None = None
        self._connected_before = False
        self._told_away = False
        self._refusals = 0
        """In a row, of servers that were connected to and did not serve."""
        self._adopted_at = 0.0
        self.denied: BusDenied | None = None
        """Why the last try to connect failed for good, unless somebody corrects REDIS_URL or the server."""

    @property
    def connected(self) -> bool:
        return self._transport is not None

    @property
    def outdated(self) -> bool:
        """Another connection of this process has found the server at another address since."""
        return self._address != self._server.newest

    async def connect_once(self) -> None:
        """One try; `LinkDown` with the reason when no server serves, `BusDenied` when it does not let us in."""
        asked = _cancel_requests()
        try:
            connection = await self._server.connect(self._name)
        except (AuthenticationError, AuthorizationError) as error:
            raise BusDenied(f"REDIS_URL is refused: {error}") from error
        except (RedisError, OSError, ValueError, LookupError) as error:
            if denied(str(error)):
                raise BusDenied(f"REDIS_URL is refused: {error}") from error
            if untrusted(str(error)):
                raise BusDenied(f"TLS is refused: {error}; see BOTEL_BUS_TLS_CA, _CERT and _KEY") from error
            raise LinkDown(f"Redis does not answer: {error}") from error
        if _cancel_requests() > asked:  # redis-py can lose a cancellation that comes while it connects
            await connection.disconnect(nowait=True)
            raise asyncio.CancelledError
        self._adopt(connection)
        if self._connected_before:
            self._observer.reconnected(self._name)
        self._connected_before = True
        self._told_away = False

    async def connect(self) -> None:
        """Try until it works, with jittered back-off; also after a server that was reached and did not serve."""
        if self._refusals and not self.connected:
            await _pause(_FIRST_BACKOFF_S * 2**self._refusals)
        delay = _FIRST_BACKOFF_S
        while not self.connected:
            try:
                await self.connect_once()
                self.denied = None
            except BusDenied as error:
                self._tell_away(error.detail, logging.ERROR)
                self.denied = error
                await asyncio.sleep(_DENIED_BACKOFF_S)
            except Exception as error:  # whatever a server or a sentinel answers: somebody has to go on trying
                self.denied = None
                self._tell_away(str(error), logging.WARNING)
                if not isinstance(error, LinkDown):
                    _log.debug("cannot connect", exc_info=error)
                await _pause(delay)
                delay = min(delay * 2, _LAST_BACKOFF_S)

    def _tell_away(self, reason: str, level: int) -> None:
        """Once per outage: an operator is told, not flooded."""
        level, self._told_away = (logging.DEBUG if self._told_away else level), True
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
        transport.set_protocol(_Replies(transport, self._on_reply, self._refuse, self._break))
        self._connection, self._transport = connection, transport
        self._adopted_at = time.monotonic()
        if self._server.newest:  # it may be found elsewhere the next time
            self._address = Address(connection.host, int(connection.port))  # type: ignore[attr-defined]

    def _close(self) -> bool:
        connection, transport = self._connection, self._transport
        self._connection = self._transport = None
        if connection is None or transport is None:
            return False
        connection._close()  # type: ignore[no-untyped-call]
        transport.abort()
        return True

    def _refuse(self, transport: asyncio.BaseTransport, reason: str) -> None:
        if transport is self._transport:
            self._refusals = 1 if self._steady else min(self._refusals + 1, 6)
            self._server.refused(reason)
            self.drop(reason)

    def _break(self, transport: asyncio.BaseTransport, reason: str) -> None:
        if transport is self._transport:  # else of a connection that was given up
            self._refusals = 0 if self._steady else self._refusals
            self.drop(reason)

    @property
    def _steady(self) -> bool:
        """This connection has served for a while: what was refused before it is over."""
        return time.monotonic() - self._adopted_at > _STEADY_S


class _Replies(asyncio.Protocol):
    """Parses what one transport brings."""

    def __init__(
        self,
        transport: asyncio.Transport,
        take: Callable[[Any], None],
        refuse: Callable[[asyncio.Transport, str], None],
        lose: Callable[[asyncio.Transport, str], None],
    ) -> None:
        self._transport, self._take, self._refuse, self._lose = transport, take, refuse, lose
        self._parser = hiredis.Reader(replyError=ResponseError)

    def data_received(self, data: bytes) -> None:
        parser, take = self._parser, self._take
        parser.feed(data)
        try:
            while (reply := parser.gets()) is not False:  # False: no whole reply; RESP2 has no booleans
                if self._transport.is_closing():
                    return  # given up meanwhile
                if isinstance(reply, ResponseError) and not_serving(str(reply)):
                    self._refuse(self._transport, str(reply))
                else:
                    take(reply)
        except hiredis.ProtocolError as error:
            self._lose(self._transport, str(error))

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(self._transport, str(error or "closed by the server"))


async def _pause(seconds: float) -> None:
    await asyncio.sleep(min(seconds, _LAST_BACKOFF_S) * random.uniform(0.5, 1.5))


def _cancel_requests() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
