"""The command connection keeps order and loses nothing when Redis goes away, hangs or forgets its scripts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable
from tests.servers.redis import RedisServer

PATIENCE_S = 10.0


@pytest.fixture
async def bus(own_redis: RedisServer) -> AsyncIterator[Bus]:
    settings = BusSettings(redis_url=SecretStr(own_redis.url), command_timeout_ms=4_000)
    async with asyncio.timeout(PATIENCE_S), Bus(settings) as bus:
        yield bus


async def test_commands_of_one_turn_of_the_loop_and_of_later_ones_keep_their_order(bus: Bus) -> None:
    first = [bus.commands.send("RPUSH", "list", number) for number in range(100)]
    await first[0]
    rest = [bus.commands.send("RPUSH", "list", number) for number in range(100, 200)]

    assert await asyncio.gather(*first, *rest) == list(range(1, 201))
    assert await bus.commands.send("LRANGE", "list", 0, -1) == [b"%d" % number for number in range(200)]


async def test_what_has_no_reply_when_redis_goes_is_sent_again_in_order(bus: Bus, own_redis: RedisServer) -> None:
    # given: commands that Redis has and does not answer
    os.kill(own_redis.pid, signal.SIGSTOP)
    sent = [bus.commands.send("SET", "key", number) for number in range(50)]
    last = bus.commands.send("GET", "key")

    # when
    own_redis.stop()
    more = bus.commands.send("PING")
    own_redis.start()

    # then
    assert await asyncio.gather(*sent) == [b"OK"] * 50
    assert await last == b"49"
    assert await more == b"PONG"


async def test_forgotten_scripts_are_loaded_again_and_the_calls_repeated_in_order(
    bus: Bus, own_redis: RedisServer
) -> None:
    keys = bus.shards[0]

    def beat(worker: str) -> asyncio.Future[int]:
        return bus.commands.call("beat", [keys.leases, keys.owned(worker)], [worker, 60_000])

    own_redis.ask("SCRIPT FLUSH")
    beats = [beat(f"brain-{number}") for number in range(20)]

    assert await asyncio.gather(*beats) == [0] * 20
    assert await bus.commands.send("ZCARD", keys.leases) == 20
    scores = await bus.commands.send("ZRANGE", keys.leases, 0, -1, "WITHSCORES")
    times = {name: float(score) for name, score in zip(scores[::2], scores[1::2], strict=True)}
    assert [times[b"brain-%d" % number] for number in range(20)] == sorted(times.values())


async def test_a_redis_that_says_nothing_fails_what_waits_and_is_used_again_when_it_wakes(
    own_redis: RedisServer,
) -> None:
    settings = BusSettings(redis_url=SecretStr(own_redis.url), command_timeout_ms=300)
    async with asyncio.timeout(PATIENCE_S), Bus(settings) as bus:
        os.kill(own_redis.pid, signal.SIGSTOP)
        with pytest.raises(BusUnavailable):
            await bus.commands.send("PING")

        os.kill(own_redis.pid, signal.SIGCONT)

        assert await _eventually(bus) == b"PONG"


async def test_closing_fails_what_waits(own_redis: RedisServer) -> None:
    async with asyncio.timeout(PATIENCE_S), Bus(BusSettings(redis_url=SecretStr(own_redis.url))) as bus:
        os.kill(own_redis.pid, signal.SIGSTOP)
        waiting = bus.commands.send("PING")
        await bus.close()

        with pytest.raises(BusUnavailable, match="closed"):
            await waiting


async def test_a_server_that_may_not_write_is_left_and_tried_again(bus: Bus, own_redis: RedisServer) -> None:
    # given: a replica, which a failover makes the master a moment later
    own_redis.ask("REPLICAOF 127.0.0.1 1")
    written = bus.commands.send("SET", "key", "value")
    while bus.commands.connected and not written.done():
        await asyncio.wait([written], timeout=0.01)
    assert not written.done()

    # when
    own_redis.ask("REPLICAOF NO ONE")

    # then
    assert await written == b"OK"


async def _eventually(bus: Bus) -> bytes:
    while True:
        try:
            reply: bytes = await bus.commands.send("PING")
            return reply
        except BusUnavailable:
            continue
