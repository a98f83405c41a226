"""One ordered, pipelined command connection.

What is called in one turn of the event loop is written together in the next; nothing waits for the replies of what was
written before, and the server sees the commands in the order in which they were called. After a broken connection
whatever has no reply is sent again, in the same order: every script of the bus is repeatable, and so are the plain
commands used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from libs.bus.link import Link, LinkDown, Part, pack
from libs.bus.observer import Observer
from libs.bus.scripts import Script
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable

_RETRY_S = 0.5
"""How long one try to connect may take."""


class _Command:
    __slots__ = ("future", "name", "packed", "since")

    def __init__(self, name: str, packed: bytes, future: asyncio.Future[Any] | None, since: float) -> None:
        self.name, self.packed, self.since = name, packed, since
        self.future = future
        """None: nobody asks for the reply."""

    @property
    def wanted(self) -> bool:
        return self.future is not None and not self.future.done()


class Commands:
    """Call scripts and plain commands. `start` before use, `close` after."""

    def __init__(self, settings: BusSettings, observer: Observer, scripts: Mapping[str, Script], name: str) -> None:
        self._timeout_s = settings.command_timeout_ms / 1000
        self._observer = observer
        self._prefixes = {name: (b"EVALSHA", one.sha.encode()) for name, one in scripts.items()}
        self._loads = [pack((b"SCRIPT", b"LOAD", one.text)) for one in scripts.values()]
        self._link = Link(settings, observer, name=name, on_reply=self._take, on_lost=self._lose)
        self._queue: deque[_Command] = deque()
        """Not yet written."""
        self._sent: deque[_Command] = deque()
        """Written, in the order of the replies to come."""
        self._scripts_lost = False
        """The scripts are to be written before the queue."""
        self._flush_due = False
        self._heard = 0.0
        self._broken = asyncio.Event()
        self._reason = "Redis does not answer: check REDIS_URL and that it runs"
        self._keeper: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """Kept: in Python 3.11 asking for the running loop costs a system call, and this is asked for every command."""

    @property
    def connected(self) -> bool:
        return self._link.connected

    async def start(self) -> None:
        """Begin to connect. Does not wait for Redis: a command does, up to its timeout."""
        self._loop = asyncio.get_running_loop()
        self._broken.set()
        self._keeper = asyncio.create_task(self._keep(), name="bus-commands")
        with contextlib.suppress(BusUnavailable):
            await self.send("PING")

    async def close(self) -> None:
        """Stop; commands that still wait fail with `BusUnavailable`."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._link.close()
        self._fail((*self._sent, *self._queue), "the bus was closed")

    def call(self, script: str, keys: Sequence[Part], args: Sequence[Part]) -> asyncio.Future[Any]:
        """Queue a script. The reply is Redis's, with bytes for strings."""
        return self._enqueue(script, pack((*self._prefixes[script], len(keys), *keys, *args)))

    def send(self, *parts: Part) -> asyncio.Future[Any]:
        """Queue a plain command that may be repeated without harm."""
        return self._enqueue(str(parts[0]), pack(parts))

    def _enqueue(self, name: str, packed: bytes) -> asyncio.Future[Any]:
        if self._loop is None or self._keeper is None or self._keeper.done():
            refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            refused.set_exception(BusUnavailable("the bus is not started"))
            return refused
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.append(_Command(name, packed, future, time.monotonic()))
        self._flush_soon()
        return future

    def _flush_soon(self) -> None:
        if self._loop is not None and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if not self._link.connected:
            return  # the keeper flushes when it has connected
        if not self._sent:
            self._heard = time.monotonic()
        commands = [*(self._load() if self._scripts_lost else ()), *self._queue]
        self._scripts_lost = False
        self._queue.clear()
        self._sent.extend(commands)
        self._link.write(b"".join([one.packed for one in commands]))

    def _load(self) -> Iterable[_Command]:
        return [_Command("SCRIPT", packed, None, 0.0) for packed in self._loads]

    def _take(self, reply: Any) -> None:
        """The reply of the oldest command that has none."""
        one = self._sent.popleft()
        self._heard = now = time.monotonic()
        future = one.future
        if future is None or future.done():
            return
        if isinstance(reply, ResponseError):
            if str(reply).startswith("NOSCRIPT"):  # Redis lost its script cache: the command did nothing
                self._send_again(one)
            else:
                future.set_exception(_typed(reply))
        else:
            self._observer.script(one.name, (now - one.since) * 1000)
            future.set_result(reply)

    def _send_again(self, first: _Command) -> None:
        """With everything that was called after it: nothing is done before what was called earlier."""
        owed = [one for one in (first, *self._sent) if one.wanted]
        late = [one for one in owed if one.since < time.monotonic() - self._timeout_s]
        self._fail(late, "Redis does not keep its scripts")
        self._sent = deque(_Command(one.name, b"", None, 0.0) for one in self._sent)  # their replies come all the same
        self._queue.extendleft(one for one in reversed(owed) if one.wanted)
        self._scripts_lost = True
        self._flush_soon()

    def _lose(self, reason: str) -> None:
        """The connection broke: what has no reply is sent again, before what is queued."""
        owed = [one for one in self._sent if one.wanted]
        self._sent.clear()
        self._queue.extendleft(reversed(owed))
        self._reason = reason
        self._broken.set()

    async def _keep(self) -> None:
        """Connect again when the connection broke, and break it off when Redis owes replies and says nothing."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s / 4):
                    await self._broken.wait()
            if self._sent and time.monotonic() - self._heard > self._timeout_s:
                self._link.drop("no reply in time")
            if self._broken.is_set():
                self._broken.clear()
                await self._reconnect()

    async def _reconnect(self) -> None:
        """Connect again; meanwhile fail what has waited too long."""
        while not self._link.connected:
            limit = time.monotonic() - self._timeout_s
            self._fail([one for one in self._queue if one.since < limit], self._reason)
            self._queue = deque(one for one in self._queue if one.wanted)
            with contextlib.suppress(TimeoutError, LinkDown):
                async with asyncio.timeout(min(self._timeout_s, _RETRY_S)):
                    await self._connect()
        self._flush()

    async def _connect(self) -> None:
        await self._link.connect()
        self._sent.extend(self._load())
        self._heard = time.monotonic()
        self._link.write(b"".join(self._loads))

    def _fail(self, commands: Iterable[_Command], reason: str) -> None:
        for one in commands:
            if one.future is not None and not one.future.done():
                one.future.set_exception(BusUnavailable(reason))


def _typed(error: ResponseError) -> Exception:
    """What a caller can act on: out of memory, or a disk that is full, is 'later'; anything else is a bug."""
    return BusUnavailable(f"Redis refused: {error}") if str(error).startswith(("OOM", "MISCONF")) else error
