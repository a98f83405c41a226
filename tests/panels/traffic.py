"""What happens while Prometheus looks: everything that a panel shows, the rare things provoked."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from redis.asyncio import Redis

from deploy.local.ports import HOST
from deploy.local.services import REDIS
from deploy.local.stack import Stack
from deploy.observe.client import PrometheusClient, Unreachable
from libs.observability import names
from tests.eventually import eventually
from tests.panels.calling import BREAKFAST, DoorCall, room_call
from tests.panels.stage import BRAINS, Observed
from tests.panels.writing import Writers
from tests.servers.users import HARNESS


async def make_traffic(observed: Observed) -> tuple[float, float]:
    """Take about a minute and a half; answers when it began and ended, in seconds since the epoch."""
    begun = time.time()
    stack, prometheus = observed.stack, observed.prometheus
    await _reaches(prometheus, f"sum(up) == {BRAINS + 3}")
    # What the scene does to Redis no user of a service may.
    redis: Any = Redis(host=HOST, port=stack.process(REDIS).spec.port, username=HARNESS, password="any")
    async with redis, aiohttp.ClientSession() as session, DoorCall(stack) as caller:
        writers = Writers(stack, session, redis)
        async with writers.chatting():
            talking = [asyncio.create_task(_talk(caller))]
            if observed.rooms:
                talking.append(asyncio.create_task(room_call(stack)))
            await writers.book()
            await writers.withdraw()
            await asyncio.gather(*talking)
            await _faults(prometheus, writers)
            waiting = asyncio.create_task(writers.expire())
            async with _nobody_answers(stack):
                await caller.apologised()
            await waiting
    await _reaches(prometheus, f"sum({names.CALLS_ENDED}) >= {1 + observed.rooms}")
    await _reaches(prometheus, f"sum({names.REPLIES_FALLBACK}) >= 1")
    return begun, await _two_more(prometheus)


async def _talk(caller: DoorCall) -> None:
    await caller.answered(await caller.ask(BREAKFAST))
    await caller.interrupt()


async def _faults(prometheus: PrometheusClient, writers: Writers) -> None:
    await writers.tear_gap()
    await writers.drop_connections()
    await writers.leave_garbage()
    # What a brain counted that is lost before Prometheus has looked is lost with it: of these two it may be the one.
    await _reaches(prometheus, f"sum({names.WRITES_FENCED}) > 0")
    await _reaches(prometheus, f"sum({names.DEAD_LETTERS_BY_KIND}) > 0")
    await _two_more(prometheus)
    await writers.lose_brain()
    # The first one of a process makes a series, the second one is an increase.
    await _reaches(prometheus, f"sum({names.RECONNECTS}) > 0")
    await writers.drop_connections()


@contextlib.asynccontextmanager
async def _nobody_answers(stack: Stack) -> AsyncIterator[None]:
    """Every brain stands still meanwhile."""
    brains = [stack.process(row.name) for row in stack.rows() if row.name.startswith("brain-")]
    for brain in brains:
        brain.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for brain in brains:
            brain.signal(signal.SIGCONT)


async def _reaches(prometheus: PrometheusClient, condition: str) -> None:
    """Wait until Prometheus says so."""

    async def told() -> Any:
        with contextlib.suppress(Unreachable):
            return await prometheus.instant(condition)

    await eventually(told, within_s=60)


async def _two_more(prometheus: PrometheusClient) -> float:
    """When Prometheus has looked twice more."""
    looked = "min(count_over_time(up[1h]))"
    [before] = await prometheus.instant(looked)
    await _reaches(prometheus, f"{looked} >= {before.value + 2:.0f}")
    return time.time()
