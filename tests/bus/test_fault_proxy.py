"""The fault proxy does what it says: the tests of faults and the chaos run rely on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable
from tests.bus.support.waiting import eventually, soon
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", redis_server.port) as made:
        yield made


@pytest.fixture
async def bus(proxy: FaultProxy) -> AsyncIterator[Bus]:
    async with Bus(BusSettings(redis_url=proxy.url, command_timeout_ms=4_000)) as made:
        yield made


async def test_commands_pass_both_ways(bus: Bus) -> None:
    sent = [bus.commands.send("RPUSH", "list", b"x" * 10_000) for _ in range(50)]
    assert await asyncio.gather(*sent) == list(range(1, 51))


async def test_a_dropped_connection_is_made_again(bus: Bus, proxy: FaultProxy) -> None:
    assert proxy.drop() == 1
    assert await bus.commands.send("PING") == b"PONG"
    assert proxy.connections_made == 2


async def test_a_lost_reply_is_of_a_command_that_was_executed(bus: Bus, proxy: FaultProxy) -> None:
    lost = proxy.lose_next_reply(b"INCR", b"counter")
    others = [bus.commands.send("SET", "before", 1), bus.commands.send("INCR", "other")]
    counted = bus.commands.send("INCR", "counter")
    await soon(lost.wait())
    assert await counted == 2, "executed, lost, and sent again"
    assert (await others[0], await bus.commands.send("INCR", "counter")) == (b"OK", 3)


async def test_a_proxy_that_refuses_is_a_redis_that_is_away(bus: Bus, proxy: FaultProxy) -> None:
    proxy.refuse = True
    proxy.drop()
    waiting = bus.commands.send("PING")
    made = proxy.connections_made
    await eventually(lambda: proxy.connections_made > made)
    assert not waiting.done()
    proxy.refuse = False
    assert await soon(waiting) == b"PONG"


async def test_a_stall_ends_in_an_error_or_in_the_reply(proxy: FaultProxy) -> None:
    async with Bus(BusSettings(redis_url=proxy.url, command_timeout_ms=200)) as bus:
        proxy.stalled = True
        with pytest.raises(BusUnavailable):
            await soon(bus.ping())
        proxy.stalled = False

        async def answered() -> bool:
            with contextlib.suppress(BusUnavailable):  # a machine that stalls looks like a Redis that does
                return bool(await bus.commands.send("PING") == b"PONG")
            return False

        await eventually(answered)


async def test_replies_that_are_late_keep_their_order(bus: Bus, proxy: FaultProxy) -> None:
    proxy.delay_s = 0.05
    slow = bus.commands.send("RPUSH", "list", 1)
    await eventually(lambda: proxy.connections_made)
    proxy.delay_s = 0.0
    quick = bus.commands.send("RPUSH", "list", 2)
    assert (await slow, await quick) == (1, 2)


async def test_a_stopped_proxy_starts_again_on_its_port(bus: Bus, proxy: FaultProxy) -> None:
    port = proxy.port
    await proxy.stop()
    waiting = bus.commands.send("PING")
    await proxy.start()
    assert proxy.port == port
    assert await soon(waiting) == b"PONG"
