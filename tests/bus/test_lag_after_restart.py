"""Redis's own count of what a group has read may be wrong after a restart: whoever connects anew sets the lag right."""

from __future__ import annotations

import asyncio

from libs.bus.events import EventConsumer
from libs.bus.stats import read_stats
from libs.contracts.keys import STORE_GROUP, TURN_GROUP
from tests.bus.support.handlers import echo
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually
from tests.servers.redis import RedisServer


async def _lags(stage: Stage) -> dict[str, int | None]:
    (shard,) = await read_stats(stage.bus)
    return {group.group: group.lag for group in shard.groups}


async def test_a_wrong_lag_is_mended_when_a_connection_is_made(stage: Stage) -> None:
    async def keep(_: object) -> None:
        return None

    await stage.worker("w1", echo)
    consumer = asyncio.create_task(EventConsumer(await stage.new_bus("store"), STORE_GROUP, "s1", keep).run())
    try:
        await stage.open("c")
        await stage.accept("c", "t1")
        await stage.at_rest("c")
        for stream, group in ((stage.keys.turns, TURN_GROUP), (stage.keys.events, STORE_GROUP)):
            last = (await stage.send("XINFO", "STREAM", stream))[7]
            await stage.send("XGROUP", "SETID", stream, group, last, "ENTRIESREAD", 1)
        await stage.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        async def right() -> bool:
            return await _lags(stage) == {TURN_GROUP: 0, STORE_GROUP: 0}

        await eventually(right)
    finally:
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)


async def test_the_lag_is_right_after_restarts(own_redis: RedisServer) -> None:
    async with Stage(own_redis.url) as stage:
        for worker in ("w1", "w2"):
            await stage.worker(worker, echo)
        await stage.open("c")
        for round_ in range(3):
            for turn in range(5):
                await stage.accept("c", f"t{round_}-{turn}")
            await stage.at_rest("c")
            await asyncio.to_thread(own_redis.stop)
            await asyncio.to_thread(own_redis.start)
        await stage.accept("c", "last")
        await stage.at_rest("c")

        async def right() -> bool:
            return (await _lags(stage))[TURN_GROUP] == 0

        await eventually(right)
