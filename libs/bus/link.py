"""One connection to Redis that is made again, with back-off, when it breaks. redis-py connects; hiredis packs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.bus.observer import Observer
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.02, 0.5
_log = logging.getLogger(__name__)

Part = str | bytes | int


class LinkDown(BusUnavailable):
    """The connection broke: what was sent may or may not have taken effect."""


def pack(parts: Sequence[Part]) -> bytes:
    """One command in RESP."""
    packed: bytes = hiredis.pack_command(tuple(parts))  # type: ignore[arg-type]  # its stub wants one type for all
    return packed


class Link:
    """Send packed commands, read their replies. One user at a time."""

    def __init__(self, settings: BusSettings, observer: Observer, *, name: str, read_timeout_s: float) -> None:
        pool = ConnectionPool.from_url(
            settings.redis_url.get_secret_value(),
            protocol=2,
            decode_responses=False,
            socket_connect_timeout=settings.connect_timeout_ms / 1000,
            socket_timeout=read_timeout_s,
            health_check_interval=0,
            client_name=f"botel-{name}",
        )
        self._make: Callable[[], AbstractConnection] = pool.make_connection
        self._observer = observer
        self._name = name
        self._connection: AbstractConnection | None = None
        self._connected_before = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def connect_once(self) -> None:
        """One try; `LinkDown` with the reason when Redis does not answer."""
        connection = self._make()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisConnectionError, RedisTimeoutError, ResponseError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise LinkDown(f"Redis does not answer: {error}") from error
        task = asyncio.current_task()
        if task and task.cancelling():  # redis-py can lose a cancellation that comes while it connects
            await connection.disconnect(nowait=True)
            raise asyncio.CancelledError
        self._connection = connection
        if self._connected_before:
            self._observer.reconnected(self._name)
        self._connected_before = True

    async def connect(self) -> None:
        """Try until it works, with jittered back-off."""
        delay = _FIRST_BACKOFF_S
        while not self.connected:
            try:
                await self.connect_once()
            except LinkDown as error:
                _log.warning("redis is away", extra={"link": self._name, "reason": error.detail})
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))
                delay = min(delay * 2, _LAST_BACKOFF_S)

    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        """Send, and read so many replies; an error reply stands in the list as a `ResponseError`.

        Raises `LinkDown` when the connection broke, with nothing known of the outcome.
        """
        connection = self._connection
        if connection is None:
            raise LinkDown("Redis is not connected")
        try:
            await connection.send_packed_command(packed, check_health=False)
            return [await self._reply(connection) for _ in range(replies)]
        except (RedisConnectionError, RedisTimeoutError, OSError, ReadOnlyError) as error:
            await self.close()
            raise LinkDown(f"Redis broke off: {error}") from error
        except asyncio.CancelledError:
            await self.close()  # a reply may still come: this connection is out of step
            raise

    async def _reply(self, connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response()
        except ReadOnlyError:
            raise
        except ResponseError as error:
            return error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
