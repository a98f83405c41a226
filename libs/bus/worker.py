"""A brain's side of the bus: read what there are free slots for, answer it, stay alive, and leave in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from redis.exceptions import ResponseError

from libs.bus.answering import Answering
from libs.bus.bus import Bus
from libs.bus.handler import Handler
from libs.bus.lease import Heartbeat, Reaper
from libs.bus.link import LinkDown
from libs.bus.loops import Loop
from libs.bus.portion import Portion
from libs.bus.queue import TurnQueue, parse_activation
from libs.bus.reader import Entry, Reader, resume_point
from libs.bus.slots import Slots
from libs.contracts.errors import BusDenied, BusUnavailable, MalformedMessage
from libs.contracts.keys import TURN_GROUP, Keys

_PAUSE_S = 0.1
_BEGUN_S = 0.01
"""After so long the claims of what was read are answered and its handlers run, or the loop is held up."""
_log = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Worker:
    """Runs a handler over the turns of every shard. `run` until cancelled or `drain` is called.

    `slots`: turns at once. `worker_id` must be new for every process.
    """

    def __init__(
        self,
        bus: Bus,
        worker_id: str,
        handler: Handler,
        *,
        slots: int,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._bus, self._worker, self._slots_total = bus, worker_id, slots
        self._slots = Slots(slots)
        self._shards = [_Shard(bus, keys, worker_id, handler, now_ms) for keys in bus.shards]
        self._answers: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._persistent: list[Loop] = []

    @property
    def healthy(self) -> bool:
        """Whether every lease is alive and no loop fails again and again."""
        alive = bool(self._loops) and all(shard.heartbeat.healthy for shard in self._shards)
        return alive and all(loop.healthy for loop in self._persistent)

    @property
    def in_flight(self) -> int:
        return len(self._answers)

    async def start(self) -> None:
        """Take leases and begin to read, as soon as Redis answers."""
        for shard in self._shards:
            await self._take_lease(shard)
        for shard in self._shards:
            self._spawn(shard.heartbeat.run, f"beat {shard.keys.prefix}")
            self._spawn(partial(shard.reaper.run, shard.heartbeat), f"reap {shard.keys.prefix}")
            self._spawn(partial(self._read_cancels, shard), f"cancels {shard.keys.prefix}")
            self._spawn(partial(self._read_turns, shard), f"turns {shard.keys.prefix}")

    async def _take_lease(self, shard: _Shard) -> None:
        while True:
            try:
                await self._bus.ensure_group(shard.keys.turns, TURN_GROUP)
                await shard.heartbeat.beat()
                return
            except BusDenied:  # waiting does not help: whoever starts it is told
                raise
            except BusUnavailable as error:
                _log.warning("waiting for redis", extra={"reason": error.detail})
                await asyncio.sleep(_PAUSE_S)

    async def drain(self, grace_s: float) -> None:
        """No new turns; running ones may finish within the grace period, the rest are handed over at once."""
        for shard in self._shards:
            shard.drain()
        await _end([loop for loop in self._loops if loop.get_name().startswith("turns ")])
        for shard in self._shards:
            with contextlib.suppress(BusUnavailable, ResponseError):
                await shard.put_back()
        if self._answers:
            await asyncio.wait(self._answers, timeout=grace_s)
        await _end(list(self._answers))
        await _end(self._loops)
        for shard in self._shards:
            with contextlib.suppress(BusUnavailable, ResponseError):  # then its lease lapses, and others mend it
                await shard.leave()

    def _spawn(self, loop: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._persistent.append(Loop(loop, name))
        self._loops.append(asyncio.create_task(self._persistent[-1].run(), name=name))

    async def _read_turns(self, shard: _Shard) -> None:
        """Never reads more entries than there are free slots, nor more at once than the loop begins quickly."""
        reader = self._bus.reader("turns", shard.keys)
        portion = Portion(self._slots_total // len(self._shards), self._bus.settings.lease_ms / 1000)
        try:
            while True:
                fresh = not reader.connected
                await reader.connect()
                if fresh:
                    await self._bus.recount(shard.keys.turns, TURN_GROUP)
                    await self._reread_pending(shard, reader)
                taken = await self._slots.take(portion.size)
                entries: list[Entry] = []
                try:
                    entries = await self._read_some(shard, reader, taken, after=">")
                finally:
                    self._slots.give(taken - len(entries))
                for entry in entries:
                    self._take(shard, entry)
                if entries:
                    _watch(portion, len(entries))
                await _let_go_on(entries)
        finally:
            await reader.close()

    async def _read_some(self, shard: _Shard, reader: Reader, count: int, *, after: str) -> list[Entry]:
        try:
            return await reader.read_group(TURN_GROUP, self._worker, shard.keys.turns, count, after)
        except LinkDown:
            return []
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            _log.warning("group made again", extra={"stream": shard.keys.turns})
            await self._bus.ensure_group(shard.keys.turns, TURN_GROUP)
            return []

    async def _reread_pending(self, shard: _Shard, reader: Reader) -> None:
        """What a read before the broken connection delivered to us without our knowing."""
        for entry in await self._read_some(shard, reader, 1_000, after="0"):
            if not shard.answers(entry):
                await self._slots.take(1)
                self._take(shard, entry)

    def _take(self, shard: _Shard, entry: Entry) -> None:
        """Answer in the background; the caller has taken the slot."""
        task = asyncio.create_task(shard.take(entry))
        self._answers.add(task)
        task.add_done_callback(self._given)
        self._bus.observer.in_flight(len(self._answers))

    def _given(self, task: asyncio.Task[None]) -> None:
        self._answers.discard(task)
        self._slots.give()
        self._bus.observer.in_flight(len(self._answers))
        if not task.cancelled() and (error := task.exception()):
            _log.error("answering failed", exc_info=error)

    async def _read_cancels(self, shard: _Shard) -> None:
        """The fast path of a cancel; the durable flag catches what is missed here."""
        reader, stream = self._bus.reader("cancels", shard.keys), shard.keys.cancels
        newest = await self._bus.commands.send("XREVRANGE", stream, "+", "-", "COUNT", 1)
        after = newest[0][0].decode() if newest else "0-0"
        try:
            while True:
                if not reader.connected:
                    await reader.connect()
                    with contextlib.suppress(BusUnavailable):
                        after = await resume_point(self._bus.at(shard.keys), stream, after)
                with contextlib.suppress(LinkDown):
                    for entry in await reader.read({stream: after}, 64):
                        after = entry.id
                        shard.cancel(entry)
        finally:
            await reader.close()


def _watch(portion: Portion, count: int) -> None:
    """Look how late the loop is when these turns have been claimed and begun."""
    due = time.monotonic() + _BEGUN_S
    asyncio.get_running_loop().call_later(_BEGUN_S, lambda: portion.begun(count, time.monotonic() - due))


async def _let_go_on(entries: Sequence[Entry]) -> None:
    """Let the claims of what was read be written before more is asked for: one turn of the loop queues, one writes."""
    if entries:
        await asyncio.sleep(0)
        await asyncio.sleep(0)


class _Shard:
    """What a worker keeps for one shard."""

    def __init__(self, bus: Bus, keys: Keys, worker_id: str, handler: Handler, now_ms: Callable[[], int]) -> None:
        self.keys = keys
        self._queue = TurnQueue(bus, keys, worker_id)
        self._answering = Answering(bus, keys, worker_id, handler, now_ms, lambda: self.heartbeat.beat())
        self.heartbeat = Heartbeat(bus, keys, worker_id, lambda: self._answering.runs, self.lapse)
        self.reaper = Reaper(bus, keys, worker_id)

    async def take(self, entry: Entry) -> None:
        try:
            activation = parse_activation(entry.id, entry.fields)
        except MalformedMessage as error:
            _log.warning("dead letter", extra={"entry": entry.id, "reason": error.detail})
            await self._queue.reject(entry.id, entry.fields, error.detail)
            return
        await self._answering.answer(activation)

    def answers(self, entry: Entry) -> bool:
        """Whether this very entry is being answered."""
        return self._answering.answers(entry.id)

    def cancel(self, entry: Entry) -> None:
        try:
            conversation, turn = entry.fields[b"c"].decode(), entry.fields[b"t"].decode()
        except (KeyError, UnicodeDecodeError) as error:
            _log.warning("cancel left out", extra={"entry": entry.id, "reason": repr(error)})
            return
        self._answering.cancel(conversation, turn)

    def drain(self) -> None:
        """Claim nothing more, and take no further turn in place."""
        self._answering.draining = True

    async def put_back(self) -> None:
        """What was read and not claimed, for others to claim."""
        await self.reaper.put_back_all(self._answering.answers)

    def lapse(self) -> None:
        """The lease is lost: whatever runs here may run elsewhere by now."""
        for run in self._answering.runs.values():
            if run:
                run.stop("lapsed")

    async def leave(self) -> None:
        """Hand over what is still owned, and go."""
        await self.heartbeat.beat(0)
        await self.reaper.hand_over_all()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel, and wait until they are over."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
