"""A worker that is told to go: nothing waits for it longer than it must, and nothing costs an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from libs.bus.handler import Done, Turn
from libs.contracts.events import ReplyStatus, Usage
from tests.bus.support.conversation import tool_completed, tool_requested
from tests.bus.support.handlers import Led
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


class Gate:
    """A side effect that waits to be let through, on the record."""

    def __init__(self) -> None:
        self.begun, self.open, self.ended = asyncio.Event(), asyncio.Event(), False

    async def __call__(self, turn: Turn) -> None:
        conversation, turn_id = turn.grant.conversation_id, turn.grant.item.turn_id
        await turn.journal(tool_requested(conversation, turn_id, "call-1"))

        async def work() -> None:
            self.begun.set()
            await self.open.wait()
            self.ended = True
            await turn.journal(tool_completed(conversation, turn_id, "call-1"))

        await turn.effect(work)


async def test_what_was_read_and_not_claimed_waited_for_the_end_of_the_grace_period(stage: Stage) -> None:
    """Delivered to this worker over a connection that broke: it does not even know."""
    leaving, staying = Led(), Led()
    worker = await stage.worker("w1", leaving, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("a", "b")
    listener = await stage.listen(feed, "b")
    await stage.accept("a", "a1")
    await eventually(lambda: leaving.began("a1"))
    for loop in worker._loops:
        if loop.get_name().startswith("turns "):
            loop.cancel()
    await stage.accept("b", "b1")
    await stage.send("XREADGROUP", "GROUP", "brain", "w1", "STREAMS", stage.keys.turns, ">")
    await stage.worker("w2", staying, **PATIENT)

    draining = asyncio.create_task(worker.drain(60))
    staying.end("b1", "at once")
    assert (await listener.reply("b1")).text == "at once"
    assert not draining.done(), "the other turn still has its grace period"
    assert staying.turns[0].grant.attempt == 1
    leaving.end("a1")
    await soon(draining)


async def test_a_turn_that_is_given_up_waited_for_the_side_effect_of_another(stage: Stage) -> None:
    leaving, staying, gate = Led(), Led(), Gate()
    worker = await stage.worker("w1", leaving, **PATIENT, beat_ms=30_000)
    feed = await stage.feed(**PATIENT)
    await stage.open("a", "b")
    listener = await stage.listen(feed, "b")
    await stage.accept("a", "a1")
    await stage.accept("b", "b1")
    leaving.do("a1", gate)
    leaving.say("b1", "First ")
    await soon(gate.begun.wait())
    await listener.said("b1", "First ")
    await stage.worker("w2", staying, **PATIENT)

    draining = asyncio.create_task(worker.drain(0))
    staying.end("b1", "and last")
    assert (await listener.reply("b1")).text == "First and last"
    assert not draining.done(), "a side effect that has begun ends here"
    gate.open.set()
    staying.end("a1", "booked")
    await soon(draining)
    await eventually(lambda: staying.over == ["b1", "a1"])
    assert {turn.grant.attempt for turn in staying.turns} == {1}


async def test_whoever_hastened_a_drain_cut_a_side_effect_in_two(stage: Stage) -> None:
    led, gate = Led(), Gate()
    worker = await stage.worker("w1", led, **PATIENT)
    await stage.open("a")
    await stage.accept("a", "a1")
    led.do("a1", gate)
    await soon(gate.begun.wait())

    draining = asyncio.create_task(worker.drain(0))
    await eventually(lambda: led.over == ["a1"])
    draining.cancel()
    await asyncio.wait({draining}, timeout=0.02)
    gate.open.set()
    await soon(asyncio.wait({draining}))
    await soon(worker.drain(0))

    assert gate.ended
    assert int(await stage.send("XLEN", stage.keys.log("a"))) == 4, "opened, asked, requested and completed"


async def test_a_cancelled_reply_keeps_what_it_has_cost(stage: Stage) -> None:
    spoke = asyncio.Event()

    async def handler(turn: Turn) -> AsyncGenerator[str | Done, None]:
        yield Done(model="led", usage=Usage(input_tokens=70, output_tokens=5))
        yield "One moment. "
        spoke.set()
        await asyncio.Event().wait()

    await stage.worker("w1", handler, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await soon(spoke.wait())
    await stage.cancel("c", "t1")

    reply = await listener.reply("t1")
    assert (reply.status, reply.model) == (ReplyStatus.CANCELLED, "led")
    assert reply.usage == Usage(input_tokens=70, output_tokens=5, estimated=True)
