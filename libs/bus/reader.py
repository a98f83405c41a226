"""A dedicated connection for one blocking read at a time, its silence limit above its BLOCK."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from libs.bus.commands import Commands
from libs.bus.link import Link, LinkDown, Part, pack
from libs.bus.observer import Observer
from libs.bus.refusals import typed
from libs.bus.servers import Server
from libs.bus.settings import BusSettings

_GRACE_S = 3.0


class Entry(msgspec.Struct, frozen=True):
    """One stream entry as it was read."""

    stream: str
    id: str
    fields: dict[bytes, bytes]


class Reader:
    """XREAD and XREADGROUP. Raises `LinkDown` when the connection breaks; `connect` then makes it again.

    A server that this process has left for another one, after a failover, is left by its readers too.
    """

    def __init__(self, settings: BusSettings, observer: Observer, name: str, server: Server) -> None:
        self._block_ms = settings.block_ms
        self._timeout_s = settings.block_ms / 1000 + _GRACE_S
        self._link = Link(server, observer, name=name, on_reply=self._take, on_lost=self._lose)
        self._reply: asyncio.Future[Any] | None = None

    @property
    def connected(self) -> bool:
        return self._link.connected

    async def connect(self) -> None:
        await self._link.connect()

    async def close(self) -> None:
        self._link.close()

    async def read(self, streams: dict[str, str], count: int) -> list[Entry]:
        """Entries after the given ids, waiting up to the BLOCK time for the first."""
        return await self._exchange(
            ("XREAD", "COUNT", count, "BLOCK", self._block_ms, "STREAMS", *streams, *streams.values())
        )

    async def read_group(self, group: str, consumer: str, stream: str, count: int, after: str = ">") -> list[Entry]:
        """Unread entries for this consumer (`>`), or its own pending ones after an id."""
        block: tuple[Part, ...] = ("BLOCK", self._block_ms) if after == ">" else ()
        return await self._exchange(
            ("XREADGROUP", "GROUP", group, consumer, "COUNT", count, *block, "STREAMS", stream, after)
        )

    async def _exchange(self, parts: Sequence[Part]) -> list[Entry]:
        if self._link.outdated:
            self._link.close()
            raise LinkDown("another server is the master now")
        self._link.write(pack(parts))
        loop = asyncio.get_running_loop()
        self._reply = loop.create_future()
        silence = loop.call_later(self._timeout_s, self._link.drop, "a blocking read got no reply")
        try:
            reply = await self._reply
        except asyncio.CancelledError:
            self._link.close()  # a reply may still come: this connection is out of step
            raise
        finally:
            silence.cancel()
        if isinstance(reply, ResponseError):
            raise typed(reply)
        return [
            Entry(stream.decode(), entry_id.decode(), dict(zip(fields[::2], fields[1::2], strict=True)))
            for stream, entries in reply or []
            for entry_id, fields in entries
            if fields is not None  # a pending entry that was trimmed by hand
        ]

    def _take(self, reply: Any) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_result(reply)

    def _lose(self, reason: str) -> None:
        if self._reply and not self._reply.done():
            self._reply.set_exception(LinkDown(reason))


async def resume_point(commands: Commands, stream: str, after: str) -> str:
    """Where to go on reading by XREAD after a new connection: `after`, or the beginning if the stream's ids went back.

    Redis was emptied, or has lost its last writes and its clock is behind: what is added then has lower ids, and a
    reader that waits for higher ones would wait for long. What it reads twice must be harmless.
    """
    newest = await commands.send("XREVRANGE", stream, "+", "-", "COUNT", 1)
    return after if newest and _order(newest[0][0].decode()) >= _order(after) else "0-0"


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))
