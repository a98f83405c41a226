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
from tests.bus.support.stage import FAST, Stage
from tests.bus.support.waiting import eventually

WAITING = 60
BEGIN_S = 0.02
"""So much for every turn that waits is four times a lease; for those of a first portion it is a quarter of one."""


class Busy:
    """A worker in a thread of its own, as in a process of its own, for which beginning a turn is work."""

    def __init__(self, redis_url: str) -> None:
        self._url, self._stop = redis_url, threading.Event()
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
        async with Bus(BusSettings(redis_url=SecretStr(self._url), **FAST), name="busy") as bus:
            worker = Worker(bus, "busy", self._answer, slots=64)
            await worker.start()
            await asyncio.to_thread(self._stop.wait)
            await worker.drain(0)

    async def _answer(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.attempts.setdefault(turn.grant.item.turn_id, []).append(turn.grant.attempt)
        time.sleep(BEGIN_S)  # noqa: ASYNC251 -- what a prompt and an agent cost: the loop stands still
        yield "Yes."
        yield Done()


async def test_a_brain_that_begins_many_turns_keeps_its_lease_meanwhile(stage: Stage, redis_url: str) -> None:
    seen = Recording()
    names = [f"c{number}" for number in range(WAITING)]
    await stage.open(*names)
    for name in names:
        await stage.accept(name, f"t-{name}")
    async with Busy(redis_url) as busy:
        await eventually(lambda: busy.attempts)
        await stage.worker("other", echo, slots=1, observer=seen)
        await stage.at_rest(*names)

    taken_over = [arguments for name, arguments in seen.calls if name == "claimed" and arguments[2] != 1]
    assert taken_over == []
    assert {attempt for attempts in busy.attempts.values() for attempt in attempts} == {1}
