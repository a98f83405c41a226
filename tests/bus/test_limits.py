"""Token buckets: over all processes together, by Redis's clock, each caller and each property for itself."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus.bus import Bus
from libs.bus.limits import Buckets, Rate
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable, InvalidRequest
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.redis import RedisServer

SLOW = Rate(per_s=0.001, burst=5)
"""None comes back while a test runs."""


async def spent(buckets: Buckets, times: int, caller: str = "key", property_id: str = "harbour") -> list[int]:
    return [await buckets.spend(property_id, caller, "turns", SLOW) for _ in range(times)]


async def test_what_several_processes_give_is_one_bucket(stage: Stage) -> None:
    first, second = [Buckets(await stage.new_bus(name), timeout_ms=5_000) for name in ("one", "two")]
    waits = [wait for both in await asyncio.gather(spent(first, 6), spent(second, 6)) for wait in both]
    assert waits.count(0) == SLOW.burst
    assert all(990_000 < wait <= 1_000_000 for wait in waits if wait)


async def test_a_caller_takes_nothing_from_another_nor_turns_from_sessions(stage: Stage) -> None:
    buckets = Buckets(stage.bus, timeout_ms=5_000)
    assert await spent(buckets, 5, "a") == [0] * 5
    assert (await spent(buckets, 1, "a"))[0] > 0
    assert await spent(buckets, 1, "b") == [0]
    assert await buckets.spend("harbour", "a", "sessions", SLOW) == 0


async def test_tokens_come_back_with_time_and_an_idle_bucket_is_forgotten(stage: Stage) -> None:
    buckets, rate = Buckets(stage.bus, timeout_ms=5_000), Rate(per_s=0.5, burst=1)
    assert await buckets.spend("harbour", "key", "turns", rate) == 0
    assert 0 < await buckets.spend("harbour", "key", "turns", rate) <= 2_000

    async def given() -> bool:
        return await buckets.spend("harbour", "key", "turns", rate) == 0

    await eventually(given)
    assert 0 < await stage.send("PTTL", stage.keys.rate("key", "turns")) <= 3_000


@pytest.mark.parametrize("caller", ["", "a:b", "a b", "x" * 65, "{0}"])
async def test_no_caller_reaches_into_another_key(stage: Stage, caller: str) -> None:
    with pytest.raises(InvalidRequest):
        await Buckets(stage.bus).spend("harbour", caller, "turns", SLOW)


async def test_nobody_waits_for_a_redis_that_is_away(own_redis: RedisServer) -> None:
    async with Bus(BusSettings(redis_url=own_redis.url, command_timeout_ms=60_000)) as bus:
        buckets = Buckets(bus, timeout_ms=5_000)
        assert await spent(buckets, 1) == [0]
        own_redis.stop()
        await eventually(lambda: not bus.commands.connected)
        with pytest.raises(BusUnavailable):
            await soon(buckets.spend("harbour", "key", "turns", SLOW))
        own_redis.start()
        await eventually(lambda: bus.commands.connected)
        assert (await spent(buckets, 5))[-1] > 0, "what was spent is still known"


async def test_nobody_waits_long_for_a_redis_that_hangs(stage: Stage) -> None:
    await stage.send("PING")
    stage.bus.commands._link.write = lambda packed: None  # type: ignore[method-assign, union-attr]
    with pytest.raises(BusUnavailable):
        await soon(Buckets(stage.bus, timeout_ms=20).spend("harbour", "key", "turns", SLOW))
