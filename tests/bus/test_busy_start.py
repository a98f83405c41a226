"""A brain that comes to a long queue: beginning turns costs time on its loop, and its lease must outlive that."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator

from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from tests.bus.support.handlers import echo
from tests.bus.support.recording import Recording
from tests.bus.support.stage import FAST, LAPSING, Stage
from tests.bus.support.waiting import eventually

WAITING = 60
TRIALS = 5
TICK_S, STALL_S = 0.02, 0.1
BEGIN_S = 0.02
"""So much for every turn that waits is four times a lease; for those of a first portion it is a quarter of one."""


class Busy:
    """A worker in a thread of its own, as in a process of its own, for which beginning a turn is work."""

    def __init__(self, redis_url: str, name: str) -> None:
        self._url, self._name, self._stop = redis_url, name, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)
        self.attempts: dict[str, list[int]] = {}

    async def __aenter__(self) -> Busy:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 20)
        assert not self._thread.is_alive()

    async def _work(self) -> None:
        async with Bus(BusSettings(redis_url=SecretStr(self._url), **{**FAST, **LAPSING}), name=self._name) as bus:
            worker = Worker(bus, self._name, self._answer, slots=64)
            await worker.start()
            await asyncio.to_thread(self._stop.wait)
            await worker.drain(0)

    async def _answer(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.attempts.setdefault(turn.grant.item.turn_id, []).append(turn.grant.attempt)
        time.sleep(BEGIN_S)  # noqa: ASYNC251 -- what a prompt and an agent cost: the loop stands still
        yield "Yes."
        yield Done()


class Lateness:
    """How late this process was at worst while it was to do something every 20 ms."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def __aenter__(self) -> Lateness:
        self._loop = asyncio.get_running_loop()
        self._next()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._handle.cancel()

    def _next(self) -> None:
        self._handle = self._loop.call_later(TICK_S, self._tick, self._loop.time() + TICK_S)

    def _tick(self, due_s: float) -> None:
        self.worst_s = max(self.worst_s, self._loop.time() - due_s)
        self._next()


async def test_a_brain_that_begins_many_turns_keeps_its_lease_meanwhile(stage: Stage, redis_url: str) -> None:
    """While the whole process stands still any lease runs out: a trial that failed so is made again."""
    for trial in range(TRIALS):
        async with Lateness() as lateness:
            seen, busy = await begin_many(stage, redis_url, trial)
        taken_over = [arguments for name, arguments in seen.calls if name == "claimed" and arguments[2] != 1]
        attempts = {attempt for attempts in busy.attempts.values() for attempt in attempts}
        if (taken_over, attempts) == ([], {1}) or lateness.worst_s < STALL_S:
            break

    assert taken_over == []
    assert attempts == {1}


async def begin_many(stage: Stage, redis_url: str, trial: int) -> tuple[Recording, Busy]:
    """Many turns wait for a brain; another one sees what it claims."""
    seen = Recording()
    names = [f"c{trial}-{number}" for number in range(WAITING)]
    await stage.open(*names)
    for name in names:
        await stage.accept(name, f"t-{name}")
    async with Busy(redis_url, f"busy{trial}") as busy:
        await eventually(lambda: busy.attempts)
        other = await stage.worker(f"other{trial}", echo, slots=1, observer=seen)
        await stage.at_rest(*names)
        await other.drain(0)
    return seen, busy
