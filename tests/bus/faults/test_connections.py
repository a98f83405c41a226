"""Connections that break, answers that are late, a server that is killed: replies end whole, histories have no gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.contracts.events import MessageReceived, ReplyStatus
from tests.bus.support.handlers import Halting, echo
from tests.bus.support.listening import Listener
from tests.bus.support.stage import LAPSING, Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer

NAMES = [f"c{number}" for number in range(6)]
TEXT = "these words are streamed before the fault comes and these words after it, up to the end"
WITHIN_S = 20.0


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", redis_server.port) as made:
        yield made


async def half_way(stage: Stage, brain: Halting, names: list[str] = NAMES) -> dict[str, Listener]:
    """Two brains with several replies, all half said."""
    for worker in ("w1", "w2"):
        await stage.worker(worker, brain, slots=len(names))
    feed = await stage.feed()
    await stage.open(*names)
    listeners = {name: await stage.listen(feed, name) for name in names}
    for name in names:
        await stage.accept(name, f"{name}.1", TEXT)
        await listeners[name].said(f"{name}.1", Halting.half(TEXT))
    return listeners


async def all_whole(stage: Stage, listeners: dict[str, Listener]) -> None:
    for name, listener in listeners.items():
        await listener.until(lambda it, turn=f"{name}.1": turn in it.replies, WITHIN_S)  # type: ignore[misc]
        reply = await listener.reply(f"{name}.1")
        assert (reply.text, reply.status) == (TEXT, ReplyStatus.FINISHED)
    await stage.at_rest(*listeners)
    for name in listeners:
        turns = [event.turn_id for event in await stage.history(name) if isinstance(event, MessageReceived)]
        assert turns == [f"{name}.1"]


async def test_all_connections_break_again_and_again_under_six_replies(proxy: FaultProxy) -> None:
    brain = Halting()
    async with Stage(proxy.url, lease_ms=2_000) as stage:
        listeners = await half_way(stage, brain)
        brain.go.set()
        for _ in range(5):
            proxy.drop()
            made = proxy.connections_made
            await eventually(lambda made=made: proxy.connections_made > made)  # type: ignore[misc]
        await all_whole(stage, listeners)


async def test_scripts_are_flushed_again_and_again_under_six_replies(stage: Stage) -> None:
    brain = Halting()
    listeners = await half_way(stage, brain)
    brain.go.set()
    for _ in range(10):
        await stage.send("SCRIPT", "FLUSH")
    await all_whole(stage, listeners)


@pytest.mark.parametrize(("delay_s", "lapses"), [(0.15, False), (0.7, True)], ids=["over the beat", "over the lease"])
async def test_answers_that_are_late(proxy: FaultProxy, delay_s: float, lapses: bool) -> None:
    """Later than a beat: nothing but slow. Later than the lease: runs stop by themselves and go on afterwards."""
    brain = Halting()
    async with Stage(proxy.url, lease_ms=600, command_timeout_ms=10_000) as stage:
        listeners = await half_way(stage, brain, NAMES[:3])
        workers = stage._workers
        proxy.delay_s = delay_s
        if lapses:
            await eventually(lambda: not any(worker.healthy for worker in workers))
        brain.go.set()
        if not lapses:
            await all_whole(stage, listeners)
            await eventually(lambda: all(worker.healthy for worker in workers))
        proxy.delay_s = 0.0
        await all_whole(stage, listeners)
        await eventually(lambda: all(worker.healthy for worker in workers))


async def test_a_network_that_swallows_everything_for_a_while(proxy: FaultProxy) -> None:
    brain = Halting()
    async with Stage(proxy.url, **LAPSING) as stage:
        listeners = await half_way(stage, brain, NAMES[:3])
        proxy.stalled = True
        await eventually(lambda: not any(worker.healthy for worker in stage._workers))
        proxy.stalled = False
        brain.go.set()
        await all_whole(stage, listeners)


async def test_a_redis_that_refuses_connections_for_a_while(proxy: FaultProxy) -> None:
    brain = Halting()
    async with Stage(proxy.url, **LAPSING, command_timeout_ms=10_000) as stage:
        listeners = await half_way(stage, brain)
        proxy.refuse = True
        proxy.drop()
        brain.go.set()
        made = proxy.connections_made
        await eventually(lambda: proxy.connections_made > made + 5)
        proxy.refuse = False
        await all_whole(stage, listeners)


async def test_a_killed_redis_comes_back_with_its_file_under_six_replies(own_redis: RedisServer) -> None:
    """kill -9, in the middle of several turns, while others are being accepted; twice."""
    brain = Halting()
    async with Stage(own_redis.url, **LAPSING, command_timeout_ms=15_000) as stage:
        listeners = await half_way(stage, brain)
        await asyncio.to_thread(own_redis.stop)
        more = [asyncio.ensure_future(stage.accept(name, f"{name}.2", "and more")) for name in NAMES]
        await asyncio.to_thread(own_redis.start)
        await soon(asyncio.gather(*more), WITHIN_S)
        brain.go.set()
        await asyncio.to_thread(own_redis.stop)
        await asyncio.to_thread(own_redis.start)
        for name, listener in listeners.items():
            for turn, text in ((f"{name}.1", TEXT), (f"{name}.2", "and more")):
                await listener.until(lambda it, turn=turn: turn in it.replies, WITHIN_S)  # type: ignore[misc]
                assert (await listener.reply(turn)).text == text
        await stage.at_rest(*NAMES)
        for name in NAMES:
            turns = [event.turn_id for event in await stage.history(name) if isinstance(event, MessageReceived)]
            assert turns == [f"{name}.1", f"{name}.2"]


async def test_a_master_that_was_cut_off_from_its_replicas_is_left_and_tried_again(own_redis: RedisServer) -> None:
    """NOREPLICAS (min-replicas-to-write): what it took now would be lost at the failover."""
    async with Stage(own_redis.url, command_timeout_ms=15_000) as stage:
        await stage.worker("w1", echo)
        await stage.open("c")
        own_redis.ask("CONFIG SET min-replicas-to-write 3")
        accepted = asyncio.ensure_future(stage.accept("c", "t1"))
        await eventually(lambda: not stage.bus.commands.connected)
        assert not accepted.done()
        own_redis.ask("CONFIG SET min-replicas-to-write 0")
        assert (await soon(accepted, WITHIN_S)).number == 2
        await stage.at_rest("c")


async def test_a_redis_that_is_still_loading_is_waited_for(own_redis: RedisServer) -> None:
    """-LOADING after a start with much data: what is asked meanwhile is answered when it is done."""
    async with Stage(own_redis.url, command_timeout_ms=15_000) as stage:
        await stage.worker("w1", echo)
        await stage.open("c")
        for batch in range(20):
            await asyncio.gather(*(stage.send("SET", f"fill:{batch}:{n}", "x" * 100) for n in range(1_000)))
        await asyncio.to_thread(own_redis.stop)
        own_redis.options += ["--key-load-delay", "20", "--loading-process-events-interval-bytes", "1024"]
        starting = asyncio.ensure_future(asyncio.to_thread(own_redis.start))
        await eventually(lambda: own_redis.ask("GET fill:0:0").startswith(b"-LOADING"))
        accepted = await soon(stage.accept("c", "t1"), WITHIN_S)
        assert accepted.number == 2
        await starting
        await stage.at_rest("c")
