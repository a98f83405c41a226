"""The brain process: a real worker, and handlers without a model. `python -m benchmarks.brain REDIS_URL`.

The first word of a message says what to do: `paced N MS` sends N tokens, one per MS milliseconds, each the monotonic
nanosecond at which it was yielded; `endless MS` goes on until it is cancelled; anything else is answered at once.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncGenerator

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks import work
from benchmarks.control import serve
from libs.bus.bus import Bus, new_id
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from libs.observability.metrics import BusMetrics
from libs.process import run

SLOTS = 400


class Handlers:
    """What the worker runs. `stopped` is when a cancelled reply stopped, by turn id, in monotonic nanoseconds."""

    def __init__(self) -> None:
        self.stopped: dict[str, int] = {}

    def answer(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        match turn.message.text.split():
            case ["paced", count, step_ms]:
                return _paced(int(count), int(step_ms) / 1000)
            case ["endless", step_ms]:
                return self._endless(turn.grant.item.turn_id, int(step_ms) / 1000)
            case _:
                return _at_once()

    async def _endless(self, turn_id: str, step_s: float) -> AsyncGenerator[str | Done, None]:
        try:
            while True:
                yield "on and "
                await asyncio.sleep(step_s)
        finally:
            self.stopped[turn_id] = time.monotonic_ns()


async def _at_once() -> AsyncGenerator[str | Done, None]:
    async for token in work.tokens():
        yield token
    yield Done()


async def _paced(count: int, step_s: float) -> AsyncGenerator[str | Done, None]:
    """Not asyncio.sleep, which asks for the running loop: in Python 3.11 a system call, per token."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(count):
        yield f"{time.monotonic_ns()} "
        due += step_s
        woken = loop.create_future()
        loop.call_at(due, _wake, woken)
        await woken
    yield Done()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def make(replies: int, tokens: int, step_ms: int) -> None:
    """Make paced replies for nobody: what the tokens of a measurement cost without a bus."""

    async def one() -> None:
        await asyncio.sleep(random.random() * step_ms / 1000)
        async for _ in _paced(tokens, step_ms / 1000):
            pass

    await asyncio.gather(*(one() for _ in range(replies)))


async def main(url: str) -> None:
    handlers = Handlers()

    async def stopped() -> dict[str, int]:
        taken, handlers.stopped = handlers.stopped, {}
        return taken

    settings = BusSettings(redis_url=SecretStr(url))
    async with Bus(settings, BusMetrics(CollectorRegistry()), "bench-brain") as bus:
        worker = Worker(bus, new_id("brain"), handlers.answer, slots=SLOTS)
        await worker.start()
        try:
            await serve({"stopped": stopped, "make": make})
        finally:
            await worker.drain(0)


if __name__ == "__main__":
    run(main(sys.argv[1]))
