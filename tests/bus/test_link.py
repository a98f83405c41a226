"""One connection to Redis: what is sent is answered, what is cancelled ends, who has moved is followed."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio.connection import AbstractConnection

from deploy.local.ports import HOST
from libs.bus.commands import Commands
from libs.bus.deployment import Address
from libs.bus.link import LinkDown
from libs.bus.observer import NullObserver
from libs.bus.reader import Reader
from libs.bus.servers import SingleServer, find_server
from libs.bus.settings import BusSettings
from tests.servers.redis import RedisServer, running_redis


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


class Moving:
    """A `Server` whose address a test changes, as a failover does."""

    def __init__(self, settings: BusSettings, port: int) -> None:
        self.port = port
        self.newest: Address | None = None
        self._settings = settings

    async def connect(self, name: str) -> AbstractConnection:
        url = f"redis://{HOST}:{self.port}/0"
        connection = await SingleServer(url, self._settings).connect(name)
        self.newest = Address(HOST, self.port)
        return connection

    def refused(self, reason: str) -> None:
        return


async def test_a_reader_stayed_with_a_master_that_the_others_had_left(redis_server: RedisServer) -> None:
    """An old master that was cut off answers blocking reads for ever, with nothing."""
    with running_redis() as other:
        settings = BusSettings(redis_url=redis_server.direct_url, block_ms=10)
        server = Moving(settings, redis_server.port)
        reader = Reader(settings, NullObserver(), "reader", server)
        commands = Commands(settings, NullObserver(), {}, "commands", server)
        await reader.connect()
        assert await reader.read({"stream": "0-0"}, 1) == []
        server.port = other.port
        await commands.start()
        assert await commands.send("XADD", "stream", "1-0", "b", "x") == b"1-0"
        with pytest.raises(LinkDown, match="another server"):
            await reader.read({"stream": "0-0"}, 1)
        await reader.connect()
        assert [entry.id for entry in await reader.read({"stream": "0-0"}, 1)] == ["1-0"]
        await reader.close()
        await commands.close()
