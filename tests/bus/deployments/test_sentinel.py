"""A master dies and its replica takes over, by real sentinels: turns end, texts are whole, histories have no gap."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import MessageReceived, ReplyStatus
from tests.bus.support.handlers import Halting, echo
from tests.bus.support.stage import LAPSING, Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.redis import RedisServer
from tests.servers.sentinel import SentinelRedis, running_sentinel

WITHIN_S = 90.0
"""A failover takes some seconds. A sentinel that itself did not get to run does nothing for the next thirty (TILT)."""
PATIENT_CLIENT = {**LAPSING, "command_timeout_ms": 80_000, "connect_timeout_ms": 1_000}


@pytest.fixture
def sentinel() -> Iterator[SentinelRedis]:
    with running_sentinel(durable=True) as server:
        yield server


async def replicated(stage: Stage) -> None:
    """Until the replica has all that was written."""
    await eventually(lambda: stage.send("WAIT", 1, 100))


async def test_replies_that_stream_end_over_the_death_of_the_master(sentinel: SentinelRedis) -> None:
    async with Stage(sentinel.url, **PATIENT_CLIENT) as stage:
        brain = Halting()
        for worker in ("w1", "w2"):
            await stage.worker(worker, brain)
        feed = await stage.feed()
        texts = {f"c{number}": f"reply {number} begins before and ends after" for number in range(4)}
        await stage.open(*texts)
        listeners = {name: await stage.listen(feed, name) for name in texts}
        for name, text in texts.items():
            await stage.accept(name, f"{name}.1", text)
            await listeners[name].said(f"{name}.1", Halting.half(text))
        await replicated(stage)

        await asyncio.to_thread(sentinel.lose_patience)
        await asyncio.to_thread(sentinel.stop)
        queued = [asyncio.ensure_future(stage.accept(name, f"{name}.2", "and so on")) for name in texts]
        brain.go.set()

        for name, text in texts.items():
            await listeners[name].until(lambda it: len(it.replies) == 2, WITHIN_S)
            first, second = await listeners[name].reply(f"{name}.1"), await listeners[name].reply(f"{name}.2")
            assert (first.text, first.status) == (text, ReplyStatus.FINISHED)
            assert second.text == "and so on"
        await asyncio.gather(*queued)
        await stage.at_rest(*texts)
        for name in texts:
            turns = [event.turn_id for event in await stage.history(name) if isinstance(event, MessageReceived)]
            assert turns == [f"{name}.1", f"{name}.2"]
        assert sentinel.master_port == sentinel.replica.port


async def test_a_follower_ahead_of_the_log_of_a_new_master_is_told_what_comes_under_its_numbers(
    sentinel: SentinelRedis,
) -> None:
    """What the replica did not have yet is lost; its numbers are given to other events."""
    async with Stage(sentinel.url, **PATIENT_CLIENT) as stage:
        await stage.worker("w1", echo)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c", may_go_back=True)
        await stage.accept("c", "t1", "kept")
        await listener.reply("t1")
        await stage.at_rest("c")
        await replicated(stage)
        sentinel.replica.ask("REPLICAOF NO ONE")  # from here on it has nothing new
        await stage.accept("c", "t2", "lost")
        await listener.reply("t2")

        await asyncio.to_thread(sentinel.lose_patience)
        await asyncio.to_thread(sentinel.stop)
        await soon(stage.accept("c", "t3", "after"), WITHIN_S)

        await listener.until(lambda it: "t3" in it.replies, WITHIN_S)
        assert (await listener.reply("t3")).text == "after"
        await listener.until(lambda it: [event.number for event in it.events][-1] == 5)
        assert [event.id for event in listener.events] == [event.id for event in (await stage.history("c"))[1:]]
        epochs = int(await stage.field("c", "ep"))
        await stage.accept("c", "t4", "on")
        await listener.reply("t4")
        assert int(await stage.field("c", "ep")) > epochs


async def test_a_master_that_hangs_is_replaced_and_nobody_goes_back_to_it_when_it_wakes(
    sentinel: SentinelRedis,
) -> None:
    async with Stage(sentinel.url, **{**PATIENT_CLIENT, "command_timeout_ms": 2_000}) as stage:
        await stage.worker("w1", echo)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await replicated(stage)
        await asyncio.to_thread(sentinel.lose_patience)
        os.kill(sentinel.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: _accepted(stage, "t1"), WITHIN_S)
            await listener.until(lambda it: "t1" in it.replies, WITHIN_S)
        finally:
            os.kill(sentinel.pid, signal.SIGCONT)
        await stage.accept("c", "t2", "again")
        assert (await listener.reply("t2")).text == "again"
        await stage.at_rest("c")
        assert len(await stage.history("c")) == 5


async def _accepted(stage: Stage, turn: str) -> bool:
    """Tried with the same id until it is taken: a lost answer makes no second turn."""
    try:
        await stage.accept("c", turn)
    except BusUnavailable:
        return False
    return True


async def test_a_master_that_only_a_minority_of_sentinels_names_is_not_taken(sentinel: SentinelRedis) -> None:
    """A sentinel that was cut off still names the old master, and the old master still believes it."""
    await asyncio.to_thread(sentinel.lose_patience)
    await asyncio.to_thread(sentinel.sentinels[0].stop)
    with_old_word = sentinel.sentinels[0]
    sentinel.ask("DEBUG SLEEP 0")
    os.kill(sentinel.pid, signal.SIGSTOP)
    try:
        await eventually(lambda: _named(sentinel.sentinels[1:]) == {sentinel.replica.port}, WITHIN_S)
    finally:
        os.kill(sentinel.pid, signal.SIGCONT)
    await asyncio.to_thread(with_old_word.start)
    settings = BusSettings(redis_url=sentinel.url, command_timeout_ms=80_000)
    async with Bus(settings) as bus:
        assert await soon(bus.commands.send("SET", "key", "value"), WITHIN_S) == b"OK"
    assert b"value" in sentinel.replica.ask("GET key")


def _named(sentinels: list[RedisServer]) -> set[int]:
    named = set()
    for one in sentinels:
        parts = one.ask("SENTINEL GET-MASTER-ADDR-BY-NAME botel").split(b"\r\n")
        named.add(int(parts[4]) if len(parts) > 4 else 0)
    return named


async def test_sentinels_that_are_all_away_are_a_typed_error_and_are_asked_again(sentinel: SentinelRedis) -> None:
    settings = BusSettings(redis_url=sentinel.url, command_timeout_ms=500)
    for one in sentinel.sentinels:
        await asyncio.to_thread(one.stop)
    async with Bus(settings) as bus:
        with pytest.raises(BusUnavailable):
            await soon(bus.ping())
        for one in sentinel.sentinels:
            await asyncio.to_thread(one.start)
        await eventually(lambda: _answers(bus), WITHIN_S)


async def _answers(bus: Bus) -> bool:
    try:
        await bus.ping()
    except BusUnavailable:
        return False
    return True
