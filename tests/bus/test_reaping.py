"""Reapers: who may judge, many dead workers, many conversations of one, and nobody waits for somebody else's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from libs.bus.bus import Bus
from libs.bus.lease import Heartbeat, Reaper
from libs.bus.link import Part
from libs.contracts.keys import TURN_GROUP
from tests.bus.support.conversation import PROPERTY
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import LAPSING, PATIENT, Stage, silence
from tests.bus.support.waiting import eventually, soon


async def dead_with(stage: Stage, worker: str, conversations: list[str]) -> None:
    """A worker that claimed these and is gone."""
    keys, call = stage.keys, stage.bus.commands.call
    await stage.bus.ensure_group(keys.turns, TURN_GROUP)
    await call("beat", [keys.leases, keys.owned(worker)], [worker, 60_000])
    await asyncio.gather(*(stage.open(one) for one in conversations))
    await asyncio.gather(*(stage.accept(one, f"{one}.1") for one in conversations))
    read = await stage.send("XREADGROUP", "GROUP", TURN_GROUP, worker, "COUNT", 1_000, "STREAMS", keys.turns, ">")
    for entry, fields in read[0][1]:
        one = fields[1].decode()
        names = [keys.turns, keys.conv(one), keys.mail(one), keys.draft(one), keys.leases, keys.owned(worker)]
        reply = await call("claim", [*names, keys.subs(one)], [worker, entry, one, "t", 3])
        assert reply[0] == b"run"
    await call("beat", [keys.leases, keys.owned(worker)], [worker, 0])


class RoundTrips:
    """Calls scripts as the bus does, and counts how often it had to wait for replies before the next call."""

    def __init__(self, bus: Bus) -> None:
        self.count = 0
        self.called: Counter[str] = Counter()
        self._call = bus.commands.call
        self._waiting = 0

    def call(self, script: str, keys: Sequence[Part], args: Sequence[Part]) -> asyncio.Future[Any]:
        self.called[script] += 1
        self.count += not self._waiting
        self._waiting += 1
        reply = self._call(script, keys, args)
        reply.add_done_callback(self._answered)
        return reply

    def _answered(self, _: asyncio.Future[Any]) -> None:
        self._waiting -= 1


async def test_five_hundred_conversations_of_one_dead_worker_are_handed_over_in_one_sweep(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Stage(redis_url, max_waiting=1_000) as stage:
        names = [f"c{n}" for n in range(500)]
        await dead_with(stage, "gone", names)
        trips = RoundTrips(stage.bus)
        monkeypatch.setattr(stage.bus.commands, "call", trips.call)
        assert await Reaper(stage.bus, stage.keys, "w1").sweep() == 500
        assert trips.called == {"reap": 500, "bury": 1}
        assert trips.count <= 25, "in batches, not one by one"
        assert await stage.send("EXISTS", stage.keys.owned("gone")) == 0
        assert await stage.send("ZSCORE", stage.keys.leases, "gone") is None
        assert await stage.pending() == 0


async def test_many_dead_workers_are_all_buried_by_one_sweep(stage: Stage) -> None:
    for number in range(20):
        await dead_with(stage, f"gone{number}", [f"c{number}.a", f"c{number}.b"])
    assert await Reaper(stage.bus, stage.keys, "w1").sweep() == 40
    assert await stage.send("ZCARD", stage.keys.leases) == 0
    assert await stage.send("XINFO", "CONSUMERS", stage.keys.turns, TURN_GROUP) == []


async def test_several_reapers_at_once_hand_over_each_conversation_once(stage: Stage) -> None:
    for number in range(3):
        await dead_with(stage, f"gone{number}", [f"c{number}.{n}" for n in range(40)])
    others = [Reaper(await stage.new_bus(f"w{n}"), stage.keys, f"w{n}") for n in range(4)]
    mended = await asyncio.gather(*(one.sweep() for one in others))
    assert sum(mended) == 120
    entries = await stage.send("XREADGROUP", "GROUP", TURN_GROUP, "w", "COUNT", 1_000, "STREAMS", stage.keys.turns, ">")
    woken = Counter(fields[1] for _, fields in entries[0][1])
    assert (len(woken), max(woken.values())) == (120, 1)


async def test_entries_that_a_dead_worker_had_only_read_were_left_beyond_the_first_thirty_two(stage: Stage) -> None:
    await stage.bus.ensure_group(stage.keys.turns, TURN_GROUP)
    names = [f"c{n}" for n in range(80)]
    await stage.open(*names)
    for one in names:
        await stage.accept(one, f"{one}.1")
    keys = stage.keys
    await stage.send("XREADGROUP", "GROUP", TURN_GROUP, "gone", "COUNT", 100, "STREAMS", keys.turns, ">")
    await stage.send("ZADD", keys.leases, 1, "gone")
    assert await Reaper(stage.bus, keys, "w1").sweep() == 80
    assert await stage.pending() == 0


class Unpunctual(Heartbeat):
    """Its beats were late."""

    asked = 0

    @property
    def punctual(self) -> bool:
        self.asked += 1
        return False


async def test_a_reaper_whose_own_beats_were_late_leaves_the_others_alone(stage: Stage) -> None:
    """A stalled Redis lets all leases run out at once: nobody is dead."""
    await dead_with(stage, "slow", ["c"])
    late = Unpunctual(stage.bus, stage.keys, "w1", lambda: [], lambda: None)
    task = asyncio.create_task(Reaper(stage.bus, stage.keys, "w1").run(late))
    await eventually(lambda: late.asked >= 3)
    assert await stage.field("c", "own") == "slow"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    punctual = await stage.worker("w2", echo)
    await eventually(lambda: _answered(stage))
    await eventually(lambda: punctual.healthy)


async def _answered(stage: Stage) -> bool:
    return await stage.field("c", "st") == "idle"


async def test_a_conversation_of_a_small_dead_worker_does_not_wait_for_a_large_one(redis_url: str) -> None:
    """Turns handed over stand in one stream, whoever ran them: the first free slot takes the first."""
    async with Stage(redis_url, max_waiting=1_000) as stage:
        await dead_with(stage, "large", [f"a{n}" for n in range(60)])
        await dead_with(stage, "small", ["b"])
        await stage.worker("w1", echo, slots=2)
        await stage.worker("w2", echo, slots=2)
        await stage.at_rest("b", *(f"a{n}" for n in range(60)))


async def test_a_lease_that_runs_out_is_seen_then_and_not_a_period_later(redis_url: str) -> None:
    """The reaper's longest pause is a minute here: it knows by itself when to look."""
    async with Stage(redis_url, reap_ms=60_000) as stage:
        first, second = Led(), Led()
        dying = await stage.worker("w1", first, **LAPSING)
        await stage.open("c")
        await stage.accept("c", "t1")
        await eventually(lambda: first.began("t1"))
        await stage.worker("w2", second)
        await silence(dying)
        await eventually(lambda: second.began("t1"))
        second.end("t1")
        await stage.at_rest("c")


async def test_a_worker_that_leaves_hands_over_hundreds_at_once(redis_url: str) -> None:
    async with Stage(redis_url, max_waiting=1_000) as stage:
        led = Led()
        worker = await stage.worker("w1", led, slots=300, **PATIENT)
        names = [f"c{n}" for n in range(300)]
        await stage.open(*names)
        await asyncio.gather(*(stage.accept(one, f"{one}.1") for one in names))
        await eventually(lambda: len(led.turns) == 300)
        await soon(worker.drain(0))
        assert await stage.pending() == 0
        read = await stage.conversations.read(PROPERTY, "c7")
        assert [type(event).__name__ for event in read.events] == ["ConversationOpened", "MessageReceived"]
        assert await stage.field("c7", "att") == "0", "leaving costs no attempt"
