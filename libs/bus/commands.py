"""One ordered, pipelined command connection to the server of a shard; without a cluster one server has all.

What is called in one turn of the event loop is written together in the next; nothing waits for the replies of what was
written before, and the server sees the commands in the order in which they were called. After a broken connection
whatever has no reply is sent again, in the same order: every script of the bus is repeatable, and so are the plain
commands used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from libs.bus.link import Link, Part, pack
from libs.bus.observer import Observer
from libs.bus.refusals import typed
from libs.bus.scripts import Script
from libs.bus.servers import Server
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusDenied, BusUnavailable

_LACKING_S = 30.0
"""How long a refused right is remembered, and told of once."""
_FIGURES = frozenset(["INFO", "XINFO"])
"""Asked for operators' figures only: where a user of yours lacks them (INFO is `@dangerous`), all else works."""
_log = logging.getLogger(__name__)
_LOOK_S = 0.2
"""How often, while Redis is away, commands that have waited too long are looked for."""


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

    def __init__(
        self, settings: BusSettings, observer: Observer, scripts: Mapping[str, Script], name: str, server: Server
    ) -> None:
        self._timeout_s = settings.command_timeout_ms / 1000
        self._observer = observer
        self._prefixes = {name: (b"EVALSHA", one.sha.encode()) for name, one in scripts.items()}
        self._loads = [pack((b"SCRIPT", b"LOAD", one.text)) for one in scripts.values()]
        self._link = Link(server, observer, name=name, on_reply=self._take, on_lost=self._lose)
        self._queue: deque[_Command] = deque()
        """Not yet written."""
        self._sent: deque[_Command] = deque()
        """Written, in the order of the replies to come."""
        self._scripts_lost = True
        """The scripts are to be written before the queue."""
        self._refused_at, self._refused_told = -math.inf, -math.inf
        self._refused: BusDenied | None = None
        self._load_error: Exception | None = None
        """Why Redis did not take a script."""
        self.connects = 0
        """How often the connection was made: a higher number may mean another server, or one that lost writes."""
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

    @property
    def lacks(self) -> BusDenied | None:
        """The right that Redis refused a moment ago: what needs it does not work, though Redis answers."""
        return self._refused if time.monotonic() - self._refused_at < _LACKING_S else None

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
        self._fail((*self._sent, *self._queue), BusUnavailable, "the bus was closed")

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
        self._load_error = None
        return [_Command("SCRIPT", packed, None, 0.0) for packed in self._loads]

    def _take(self, reply: Any) -> None:
        """The reply of the oldest command that has none."""
        one = self._sent.popleft()
        self._heard = now = time.monotonic()
        future = one.future
        if future is None:
            if one.packed and isinstance(reply, ResponseError):  # else of a command that is sent again
                self._load_error = typed(reply)
        elif future.done():
            return
        elif isinstance(reply, ResponseError):
            if not str(reply).startswith("NOSCRIPT"):
                future.set_exception(self._typed(one.name, reply))
            elif self._load_error:
                future.set_exception(self._load_error)
                self._scripts_lost = True  # the next call loads them again: rights may be corrected
            else:  # Redis lost its script cache: the command did nothing
                self._send_again(one)
        else:
            self._observer.script(one.name, (now - one.since) * 1000)
            future.set_result(reply)

    def _typed(self, name: str, reply: ResponseError) -> Exception:
        """An operator is told of a right that is missing, whoever handles the error and however often it comes."""
        error, now = typed(reply), time.monotonic()
        if isinstance(error, BusDenied) and error.right and name not in _FIGURES:
            self._refused, self._refused_at = error, now
            if now - self._refused_told > _LACKING_S:
                self._refused_told = now
                _log.error("redis refuses a right", extra={"command": name, "reason": error.detail})
        return error

    def _send_again(self, first: _Command) -> None:
        """With everything that was called after it: nothing is done before what was called earlier."""
        owed = [one for one in (first, *self._sent) if one.wanted]
        late = [one for one in owed if one.since < time.monotonic() - self._timeout_s]
        self._fail(late, BusUnavailable, "Redis does not keep its scripts")
        self._sent = deque(_Command(one.name, b"", None, 0.0) for one in self._sent)  # their replies come all the same
        self._queue.extendleft(one for one in reversed(owed) if one.wanted)
        self._scripts_lost = True
        self._flush_soon()

    def _lose(self, reason: str) -> None:
        """The connection broke: what has no reply is sent again, before what is queued."""
        owed = [one for one in self._sent if one.wanted]
        self._sent.clear()
        self._queue.extendleft(reversed(owed))
        self._scripts_lost = True  # it may be another server that serves next
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
            if self._link.connected and self._link.outdated:
                self._link.drop("another server is the master now")
            if self._broken.is_set():
                self._broken.clear()
                await self._reconnect()

    async def _reconnect(self) -> None:
        """Connect again; meanwhile fail what has waited too long, and all when Redis does not let us in."""
        connecting = asyncio.create_task(self._link.connect(), name="bus-connects")
        try:
            while not connecting.done():
                limit = time.monotonic() - self._timeout_s
                self._fail([one for one in self._queue if one.since < limit], BusUnavailable, self._reason)
                if self._link.denied:
                    self._fail(self._queue, BusDenied, self._link.denied.detail)
                self._queue = deque(one for one in self._queue if one.wanted)
                await asyncio.wait({connecting}, timeout=min(_LOOK_S, self._timeout_s / 4))
            await connecting
        finally:
            connecting.cancel()
        self.connects += 1
        self._flush()

    def _fail(self, commands: Iterable[_Command], error: type[BusUnavailable], reason: str) -> None:
        for one in commands:
            if one.future is not None and not one.future.done():
                one.future.set_exception(error(reason))
