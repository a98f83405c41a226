"""One ordered, auto-batched command connection.

What is queued while a batch is on its way goes out together as the next one: no timer, one batch in flight, and the
server sees the commands in the order in which they were called. After a broken connection the batch is sent again:
every script of the bus is repeatable, and so are the plain commands used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from libs.bus.link import Link, LinkDown, Part, pack
from libs.bus.observer import Observer
from libs.bus.scripts import Script
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable

_MAX_BATCH = 512


class _Command:
    __slots__ = ("future", "name", "packed", "since")

    def __init__(self, name: str, packed: bytes, future: asyncio.Future[Any], since: float) -> None:
        self.name, self.packed, self.future, self.since = name, packed, future, since


class Commands:
    """Call scripts and plain commands. `start` before use, `close` after."""

    def __init__(self, settings: BusSettings, observer: Observer, scripts: Mapping[str, Script], name: str) -> None:
        self._timeout_s = settings.command_timeout_ms / 1000
        self._observer = observer
        self._scripts = scripts
        self._prefixes = {name: (b"EVALSHA", one.sha.encode()) for name, one in scripts.items()}
        self._link = Link(settings, observer, name=name, read_timeout_s=self._timeout_s)
        self._queue: deque[_Command] = deque()
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._link.connected

    async def start(self) -> None:
        """Begin to connect. Does not wait for Redis: a command does, up to its timeout."""
        self._pump = asyncio.create_task(self._run(), name="bus-commands")
        with contextlib.suppress(BusUnavailable):
            await self.send("PING")

    async def close(self) -> None:
        """Stop; commands that still wait fail with `BusUnavailable`."""
        if self._pump:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        self._fail(self._queue, "the bus was closed")
        await self._link.close()

    def call(self, script: str, keys: Sequence[Part], args: Sequence[Part]) -> asyncio.Future[Any]:
        """Queue a script. The reply is Redis's, with bytes for strings."""
        return self._enqueue(script, pack((*self._prefixes[script], len(keys), *keys, *args)))

    def send(self, *parts: Part) -> asyncio.Future[Any]:
        """Queue a plain command that may be repeated without harm."""
        return self._enqueue(str(parts[0]), pack(parts))

    def _enqueue(self, name: str, packed: bytes) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._pump is None or self._pump.done():
            future.set_exception(BusUnavailable("the bus is not started"))
            return future
        self._queue.append(_Command(name, packed, future, time.monotonic()))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), _MAX_BATCH))]
            try:
                await self._deliver(batch)
            except asyncio.CancelledError:
                self._fail(batch, "the bus was closed")
                raise

    async def _deliver(self, batch: list[_Command]) -> None:
        """Send until every command has its answer or has waited too long."""
        while batch:
            try:
                replies = await self._link.exchange(b"".join(one.packed for one in batch), len(batch))
            except LinkDown as error:
                batch = await self._reconnect(batch, error.detail)
                continue
            batch = self._settle(batch, replies)
            if batch:  # NOSCRIPT: Redis lost its script cache; these did nothing
                await self._load_scripts()

    def _settle(self, batch: Sequence[_Command], replies: Sequence[Any]) -> list[_Command]:
        """Give the answers out; return the commands that must be sent again."""
        again = []
        now = time.monotonic()
        for one, reply in zip(batch, replies, strict=True):
            if isinstance(reply, NoScriptError):
                again.append(one)
            elif one.future.done():
                continue
            elif isinstance(reply, ResponseError):
                one.future.set_exception(_typed(reply))
            else:
                self._observer.script(one.name, (now - one.since) * 1000)
                one.future.set_result(reply)
        return again

    async def _reconnect(self, batch: list[_Command], reason: str) -> list[_Command]:
        """Connect again; meanwhile fail what has waited too long. Returns what is still to be sent."""
        while not self._link.connected:
            limit = time.monotonic() - self._timeout_s
            self._fail([one for one in (*batch, *self._queue) if one.since < limit], reason)
            batch = [one for one in batch if not one.future.done()]
            self._queue = deque(one for one in self._queue if not one.future.done())
            with contextlib.suppress(TimeoutError, LinkDown):
                async with asyncio.timeout(min(self._timeout_s, 0.5)):
                    await self._connect()
        return batch

    async def _connect(self) -> None:
        await self._link.connect()
        await self._load_scripts()

    async def _load_scripts(self) -> None:
        loads = [pack((b"SCRIPT", b"LOAD", one.text)) for one in self._scripts.values()]
        with contextlib.suppress(LinkDown):
            await self._link.exchange(b"".join(loads), len(loads))

    def _fail(self, commands: Sequence[_Command] | deque[_Command], reason: str) -> None:
        for one in commands:
            if not one.future.done():
                one.future.set_exception(BusUnavailable(reason))


def _typed(error: ResponseError) -> Exception:
    """What a caller can act on: out of memory is 'later', anything else is a bug."""
    return BusUnavailable(f"Redis refused: {error}") if str(error).startswith("OOM") else error
