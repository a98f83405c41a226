"""One connection to Redis: what is sent is answered, what is cancelled ends."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus.observer import NullObserver
from libs.bus.reader import Reader
from libs.bus.servers import find_server
from libs.bus.settings import BusSettings


@pytest.mark.parametrize("ticks", range(14))
async def test_a_cancelled_reader_went_on_reading(redis_url: str, ticks: int) -> None:
    """Whatever it was doing when the cancellation came: connecting, sending, waiting for the reply."""
    settings = BusSettings(redis_url=redis_url, block_ms=60_000)
    reader = Reader(settings, NullObserver(), "test", find_server(settings))

    async def read_on() -> None:
        while True:
            await reader.connect()
            await reader.read({"nothing": "0-0"}, 1)

    loop = asyncio.create_task(read_on())
    for _ in range(ticks):
        await asyncio.sleep(0)
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=5)
    loop.cancel()
    assert done
    assert loop.cancelled()
    await reader.close()
