"""Workers die, sleep, lose replies and leave: the turn goes on elsewhere, and every word is heard once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from libs.bus.commands import Commands
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import ReplyStatus
from tests.bus.support.handlers import Led, echo
from tests.bus.support.recording import Recording
from tests.bus.support.stage import LAPSING, PATIENT, Stage, kill, make_zombie, stop_beating
from tests.bus.support.waiting import eventually, soon

LASTING = {**PATIENT, **LAPSING, "unclaimed_ms": 250}
"""Workers that mend, in a bus where nothing heals by polling."""


async def test_another_brain_continues_where_one_died(stage: Stage) -> None:
    first, second = Led(), Led()
    dying = await stage.worker("w1", first)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    first.say("t1", "The pool ", "opens ")
    await listener.said("t1", "The pool opens ")
    await stage.worker("w2", second)
    await kill(dying)
    await eventually(lambda: second.began("t1"))
    grant, before = second.turns[0].grant, first.turns[0].grant
    assert (grant.draft, grant.attempt) == ("The pool opens ", 2)
    assert grant.epoch > before.epoch
    assert second.turns[0].offset == len(b"The pool opens ")
    second.end("t1", "at eight.")
    assert (await listener.reply("t1")).text == "The pool opens at eight."


async def test_a_zombie_that_goes_on_speaking_is_not_heard(stage: Stage) -> None:
    zombie, successor = Led(), Led()
    worker = await stage.worker("w1", zombie)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    zombie.say("t1", "Déjà ")
    await listener.said("t1", "Déjà ")
    await make_zombie(worker)
    await stage.worker("w2", successor)
    await eventually(lambda: successor.began("t1"))
    zombie.say("t1", "NEVER ")
    successor.say("t1", "vu ")
    await listener.said("t1", "Déjà vu ")
    zombie.end("t1", "NEVER")
    await eventually(lambda: zombie.over == ["t1"])
    successor.end("t1", "encore")
    assert (await listener.reply("t1")).text == "Déjà vu encore"


async def test_both_brains_may_follow_each_other_many_times(stage: Stage) -> None:
    """Each one says a word and dies; the guest hears a sentence."""
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    said = ""
    for number in (1, 2):
        led = Led()
        dying = await stage.worker(f"w{number}", led)
        await eventually(lambda led=led: led.began("t1"))  # type: ignore[misc]
        led.say("t1", f"word{number} ")
        said += f"word{number} "
        await listener.said("t1", said)
        await kill(dying)
    led = Led()
    await stage.worker("last", led)
    led.end("t1", "end")
    reply = await listener.reply("t1")
    assert (reply.text, led.turns[0].grant.attempt) == (said + "end", 3)


async def test_a_turn_that_kills_every_brain_becomes_a_dead_letter(redis_url: str) -> None:
    async with Stage(redis_url, max_attempts=2) as stage:
        feed = await stage.feed(**PATIENT)
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "poison")
        for number in (1, 2):
            led = Led()
            dying = await stage.worker(f"w{number}", led)
            await eventually(lambda led=led: led.began("poison"))  # type: ignore[misc]
            await kill(dying)
        led, told = Led(), Recording()
        await stage.worker("w3", led, observer=told)
        assert (await listener.reply("poison")).status is ReplyStatus.DEAD
        assert not led.began("poison")
        (letter,) = await stage.dead_letters()
        assert (letter["c"], letter["m"].split()[0]) == ("c", "poison")
        assert letter["why"] == "every attempt ended without a commit"
        await eventually(lambda: told.counted("dead_letter", "exhausted") == 1)
        await stage.accept("c", "t2")
        led.end("t2", "fine")
        assert (await listener.reply("t2")).status is ReplyStatus.FINISHED


async def test_a_lost_claim_is_given_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis granted the turn and the worker never learnt of it."""
    lost = _lose_one(monkeypatch, "claim")
    led = Led()
    await stage.worker("w1", led, **LASTING)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.end("t1", "still answered")
    assert (await listener.reply("t1")).text == "still answered"
    assert lost == ["claim"]
    assert led.turns[0].grant.attempt == 1, "a lost reply costs no attempt"


async def test_a_lost_grant_in_place_is_given_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    led = Led()
    await stage.worker("w1", led, **LASTING)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await stage.accept("c", "t2")
    await eventually(lambda: led.began("t1"))
    lost = _lose_one(monkeypatch, "commit")
    led.end("t1", "one")
    led.end("t2", "two")
    assert (await listener.reply("t2")).text == "two"
    assert lost == ["commit"]
    assert [turn.grant.item.turn_id for turn in led.turns] == ["t1", "t2"]


def _lose_one(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """The next call of this script takes effect and its caller is told that Redis did not answer."""
    lost: list[str] = []
    original = Commands.call

    def call(self: Commands, script: str, keys: Any, args: Any) -> Awaitable[Any]:
        made = original(self, script, keys, args)
        if script != name or lost:
            return made
        lost.append(script)
        return asyncio.ensure_future(fail(made))

    async def fail(made: Awaitable[Any]) -> Any:
        await made
        raise BusUnavailable("lost by the test")

    monkeypatch.setattr(Commands, "call", call)
    return lost


async def test_a_drain_hands_over_what_runs_and_loses_nothing(stage: Stage) -> None:
    leaving, staying = Led(), Led()
    worker = await stage.worker("w1", leaving, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("a", "b")
    listeners = {name: await stage.listen(feed, name) for name in "ab"}
    for name in "ab":
        await stage.accept(name, f"{name}1")
        leaving.say(f"{name}1", "First ")
        await listeners[name].said(f"{name}1", "First ")
    await stage.worker("w2", staying, **PATIENT)
    drained = asyncio.create_task(worker.drain(30))
    leaving.end("a1", "and last")
    assert (await listeners["a"].reply("a1")).text == "First and last", "what ends within the grace period is not moved"
    drained.cancel()
    await asyncio.gather(drained, return_exceptions=True)
    await soon(worker.drain(0))
    await eventually(lambda: staying.began("b1"))
    staying.end("b1", "then second")
    assert (await listeners["b"].reply("b1")).text == "First then second"
    assert staying.turns[0].grant.attempt == 1, "leaving costs no attempt"
    assert await stage.send("ZSCORE", stage.keys.leases, "w1") is None
    consumers = await stage.send("XINFO", "CONSUMERS", stage.keys.turns, "brain")
    assert [info[1] for info in consumers] == [b"w2"]


async def test_a_draining_worker_took_the_next_turn_in_place(stage: Stage) -> None:
    leaving, staying = Led(), Led()
    worker = await stage.worker("w1", leaving, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await stage.accept("c", "t2")
    await eventually(lambda: leaving.began("t1"))
    await stage.worker("w2", staying, **PATIENT)
    drained = asyncio.create_task(worker.drain(30))
    await asyncio.wait({drained}, timeout=0.02)
    leaving.end("t1", "one")
    await soon(drained)
    staying.end("t2", "two")
    await listener.reply("t2")
    assert [turn.grant.item.turn_id for turn in staying.turns] == ["t2"]


async def test_a_rolling_restart_under_load_loses_nothing(stage: Stage) -> None:
    feed = await stage.feed()
    names = [f"c{n}" for n in range(10)]
    await stage.open(*names)
    listeners = {name: await stage.listen(feed, name) for name in names}
    workers = [await stage.worker(f"old{n}", echo) for n in range(2)]
    text = " ".join(f"w{n}" for n in range(60))
    for turn in range(3):
        for name in names:
            await stage.accept(name, f"{name}.{turn}", text)
    for number, worker in enumerate(workers):
        await stage.worker(f"new{number}", echo)
        await soon(worker.drain(0))
    for name in names:
        for turn in range(3):
            reply = await listeners[name].reply(f"{name}.{turn}")
            assert (reply.text, reply.status) == (text, ReplyStatus.FINISHED)


async def test_an_activation_that_came_before_the_last_answer_was_over_was_left_lying(stage: Stage) -> None:
    """Handed over by fairness, a conversation may come back to the same worker before it has closed the last answer."""
    led = Led()
    worker = await stage.worker("w1", led, fairness=0, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    turns = [f"t{n}" for n in range(1, 8)]
    for turn in turns:
        await stage.accept("c", turn)
        led.end(turn, turn)
    for turn in turns:
        await listener.reply(turn)
    assert worker.healthy


async def test_a_worker_that_overslept_takes_up_its_lease_again(stage: Stage) -> None:
    """Its lease is gone, it has read an entry: others would have to wait until that counts as unclaimed."""
    worker = await stage.worker("w1", echo, **PATIENT)
    await stop_beating(worker)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.send("ZADD", stage.keys.leases, 1, "w1")
    await stage.accept("c", "t1", "hello")
    assert (await listener.reply("t1")).text == "hello"


async def test_a_run_that_lost_its_conversation_does_not_keep_it_from_its_own_worker(stage: Stage) -> None:
    """Reaped while its model was silent, and handed to the same worker: the old run must make room."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await eventually(lambda: led.began("t1"))
    epoch = await stage.field("c", "ep")
    keys = stage.keys
    reaped = await stage.bus.commands.call(
        "reap",
        [keys.turns, keys.leases, keys.conv("c"), keys.owned("w1"), keys.mail("c"), keys.log("c")],
        ["c", "w1", "", 0, 0, epoch, ""],
    )
    assert reaped == b"revived"
    await eventually(lambda: led.began("t1", times=2))
    led.end("t1", "from the second run")
    assert (await listener.reply("t1")).text == "from the second run"
