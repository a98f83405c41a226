"""Leases of calls when Redis loses its answers, is away, or is full: no call that somebody holds is given away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.bus.calls import Calls, CallTaken
from libs.bus.scripts import load_scripts
from tests.bus.support.phones import LASTING, found, lapse, seeing, ticket
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", redis_server.port) as made:
        yield made


@pytest.fixture
async def stage(proxy: FaultProxy) -> AsyncIterator[Stage]:
    async with Stage(proxy.url, **LASTING) as made:
        yield made


def lose(proxy: FaultProxy, script: str) -> asyncio.Event:
    return proxy.lose_next_reply(load_scripts()[script].sha.encode())


async def test_a_lost_reply_to_take_is_no_second_holder(stage: Stage, proxy: FaultProxy) -> None:
    calls = Calls(stage.bus)
    lost = lose(proxy, "call_take")
    assert await soon(calls.take(ticket(), "job-1")) == 1
    assert lost.is_set()
    with pytest.raises(CallTaken):
        await calls.take(ticket(), "job-2")
    await lapse(stage)
    lost = lose(proxy, "call_take")
    assert await soon(calls.take(ticket(takeover=1), "job-2")) == 2, "the epoch rose once"
    assert lost.is_set()


async def test_lost_replies_to_renew_and_end_change_nothing(stage: Stage, proxy: FaultProxy) -> None:
    calls = Calls(stage.bus)
    await calls.take(ticket(), "job-1")
    lost = lose(proxy, "call_renew")
    assert await soon(calls.renew(ticket(), "job-1", 1))
    assert lost.is_set()
    lost = lose(proxy, "call_end")
    assert await soon(calls.end(ticket(), "job-1", 1))
    assert lost.is_set()


async def test_a_lost_reply_to_a_watchdog_keeps_its_reservation(stage: Stage, proxy: FaultProxy) -> None:
    calls = seeing(Calls(stage.bus))
    await calls.take(ticket(), "job-1")
    await lapse(stage)
    lost = lose(proxy, "call_reserve")
    (one,) = await soon(calls.overdue())
    assert lost.is_set()
    lost = lose(proxy, "call_reserve")
    assert await soon(calls.confirm(one))
    assert lost.is_set()
    await lapse(stage)
    (again,) = await calls.overdue()
    assert again.dispatches == 1, "counted once"
    lost = lose(proxy, "call_end")
    assert await soon(calls.forget(ticket(), epoch=1))
    assert lost.is_set()


async def test_a_redis_that_was_away_gives_no_call_away(own_redis: RedisServer) -> None:
    """Every lease has run out when it is back; who holds a call has time to say so before anybody judges."""
    short = {"call_lease_ms": 2_000, "call_renew_ms": 50, "call_reserve_ms": 60_000}
    async with Stage(own_redis.url, **short) as stage:
        watch = Calls(await stage.new_bus("watchdog"))
        calls = Calls(stage.bus)
        async with calls.hold(ticket("held"), "job-1") as lease:
            await calls.take(ticket("dead"), "job-2")
            await asyncio.to_thread(own_redis.stop)
            await asyncio.to_thread(own_redis.start)
            for name in ("held", "dead"):
                await lapse(stage, name)  # as if it had been away for longer
            one = await found(watch)
            assert one.ticket.call_id == "dead"
            assert not lease.lost.is_set()


async def test_leases_outlive_a_full_redis(own_redis: RedisServer) -> None:
    async with Stage(own_redis.url, call_lease_ms=60_000, call_renew_ms=20) as stage:
        calls = Calls(stage.bus)
        async with calls.hold(ticket(), "job-1") as lease:
            await stage.send("CONFIG", "SET", "maxmemory", 1)
            before = await until(stage)

            async def renewed() -> bool:
                return await until(stage) > before

            await eventually(renewed)
            assert await lease.end(), "and what is over can be ended"


async def until(stage: Stage) -> int:
    return int(await stage.send("HGET", stage.keys.call("call-1"), "u"))
