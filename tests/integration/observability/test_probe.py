import asyncio
import sys

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.ports import free_port
from libs.observability.health import Health, serve_health


async def probe(port: int) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "libs.observability.probe", str(port))
    async with asyncio.timeout(20):
        return await process.wait()


@pytest.mark.parametrize(("draining", "code"), [(False, 0), (True, 1)])
async def test_the_probe_ends_as_the_process_is_ready_or_not(draining: bool, code: int) -> None:
    bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    health = Health(CollectorRegistry())
    if draining:
        health.drain()
    serving = asyncio.create_task(serve_health(health, on_bound=bound.set_result))

    assert await probe(await bound) == code

    serving.cancel()
    await asyncio.wait([serving])


async def test_nobody_there_is_not_ready() -> None:
    assert await probe(free_port()) == 1
