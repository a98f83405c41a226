"""The tool journal: before and after a side effect, once, and never for a run that lost its turn."""

from __future__ import annotations

import asyncio

from libs.bus.handler import Turn, TurnStopped
from libs.bus.run import Run
from libs.contracts.events import ReplyStatus, ToolCompleted, ToolRequested
from tests.bus.support.conversation import tool_completed, tool_requested
from tests.bus.support.handlers import Led
from tests.bus.support.recording import Recording
from tests.bus.support.stage import PATIENT, Stage, kill, make_zombie, stop_hearing_cancels
from tests.bus.support.waiting import eventually, soon


async def test_journalled_between_the_words_around_it(stage: Stage) -> None:
    led = Led()

    async def book(turn: Turn) -> None:
        await turn.journal(tool_requested("c", "t1", "call-1", turn.offset))
        await turn.journal(tool_completed("c", "t1", "call-1", turn.offset))

    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "One moment. ")
    led.do("t1", book)
    led.end("t1", "Done.")
    assert (await listener.reply("t1")).text == "One moment. Done."
    assert [type(event).__name__ for event in listener.events] == [
        "MessageReceived",
        "ToolRequested",
        "ToolCompleted",
        "ReplyGenerated",
    ]
    requested = listener.events[1]
    assert isinstance(requested, ToolRequested)
    assert requested.draft_offset == len("One moment. ")


async def test_a_tool_called_behind_words_that_did_not_land_ended_the_run(stage: Stage) -> None:
    """The model was asked anew for what only Redis did not have. Words are sent again, then the call is recorded."""
    led = Led()

    async def book(turn: Turn) -> None:
        await stage.send("SET", stage.keys.draft("c"), "One ")
        await turn.journal(tool_requested("c", "t1", "call-1", turn.offset))

    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "One moment. ")
    await listener.said("t1", "One moment. ")
    led.do("t1", book)
    led.end("t1", "Done.")
    assert (await listener.reply("t1")).text == "One moment. Done."
    assert len(led.turns) == 1


async def test_a_successor_finds_what_its_predecessor_journalled(stage: Stage) -> None:
    first, second = Led(), Led()

    async def request(turn: Turn) -> None:
        await turn.journal(tool_requested("c", "t1", "call-1"))

    async def settle(turn: Turn) -> None:
        await turn.journal(tool_requested("c", "t1", "call-1"))
        await turn.journal(tool_completed("c", "t1", "call-1"))

    dying = await stage.worker("w1", first)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    first.do("t1", request)
    await listener.until(lambda it: len(it.events) == 2)
    await kill(dying)
    await stage.worker("w2", second)
    await eventually(lambda: second.began("t1"))
    assert [type(event) for event in second.turns[0].events[2:]] == [ToolRequested]
    second.do("t1", settle)
    second.end("t1", "Done.")
    await listener.reply("t1")
    kinds = [type(event) for event in listener.events]
    assert (kinds.count(ToolRequested), kinds.count(ToolCompleted)) == (1, 1)


async def test_a_side_effect_of_a_cancelled_turn_must_not_begin(stage: Stage) -> None:
    led, refused = Led(), asyncio.Event()

    async def book(turn: Turn) -> None:
        await stage.cancel("c", "t1")
        try:
            await turn.journal(tool_requested("c", "t1", "call-1"))
        except TurnStopped:
            refused.set()
            raise

    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.do("t1", book)
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert [event.id for event in listener.events] == ["t1", "t1.reply"]


async def test_a_request_repeated_after_a_lost_reply_began_its_effect_although_the_turn_was_cancelled(
    stage: Stage,
) -> None:
    """Recorded, its reply lost, then a cancel: who asks again has not begun."""
    led, refused = Led(), asyncio.Event()

    async def book(turn: Turn) -> None:
        await turn.journal(tool_requested("c", "t1", "call-1"))
        await stage.cancel("c", "t1")
        try:
            await turn.journal(tool_requested("c", "t1", "call-1"))
        except TurnStopped:
            refused.set()
            raise

    await stop_hearing_cancels(await stage.worker("w1", led, **PATIENT))
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.do("t1", book)
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert refused.is_set()
    assert [event.id for event in listener.events] == ["t1", "t1.call-1.requested", "t1.reply"]


async def test_what_a_tool_did_before_the_cancel_is_kept(stage: Stage) -> None:
    led, begun, go_on = Led(), asyncio.Event(), asyncio.Event()

    async def book(turn: Turn) -> None:
        await turn.journal(tool_requested("c", "t1", "call-1"))

        async def work() -> None:
            begun.set()
            await go_on.wait()
            await turn.journal(tool_completed("c", "t1", "call-1"))

        await turn.effect(work)

    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.do("t1", book)
    await soon(begun.wait())
    await stage.cancel("c", "t1")
    await eventually(lambda: led.over == ["t1"])
    go_on.set()
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert [event.id for event in listener.events] == [
        "t1",
        "t1.call-1.requested",
        "t1.call-1.completed",
        "t1.reply",
    ]


async def test_a_zombie_journals_nothing(stage: Stage) -> None:
    zombie, successor, refused = Led(), Led(), asyncio.Event()

    async def book(turn: Turn) -> None:
        try:
            await turn.journal(tool_requested("c", "t1", "call-1"))
        except TurnStopped:
            refused.set()
            raise

    worker = await stage.worker("w1", zombie)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await eventually(lambda: zombie.began("t1"))
    await make_zombie(worker)
    await stage.worker("w2", successor)
    await eventually(lambda: successor.began("t1"))
    zombie.do("t1", book)
    await soon(refused.wait())
    successor.end("t1", "Good morning")
    assert (await listener.reply("t1")).text == "Good morning"
    assert [event.id for event in listener.events] == ["t1", "t1.reply"]


async def test_a_refused_record_of_a_run_whose_lease_had_lapsed_was_not_counted(stage: Stage) -> None:
    """A brain that wakes up knows that its lease is gone; what it still records of a side effect is refused as well."""
    stalled, successor, told = Led(), Led(), Recording()
    runs: list[Run] = []
    go_on = asyncio.Event()

    async def book(turn: Turn) -> None:
        assert isinstance(turn, Run)
        await turn.journal(tool_requested("c", "t1", "call-1"))
        runs.append(turn)

        async def effect() -> None:
            await go_on.wait()
            await turn.journal(tool_completed("c", "t1", "call-1"))

        await turn.effect(effect)

    worker = await stage.worker("w1", stalled, observer=told)
    await stage.open("c")
    await stage.accept("c", "t1")
    stalled.do("t1", book)
    await eventually(lambda: bool(runs))
    await make_zombie(worker)
    await stage.worker("w2", successor)
    await eventually(lambda: successor.began("t1"))
    runs[0].stop("lapsed")
    assert told.counted("fenced") == 0
    go_on.set()
    await eventually(lambda: told.counted("fenced", "run") == 1)
    successor.end("t1", "Done.")
    await stage.at_rest("c")


async def test_a_drain_lets_a_side_effect_end_and_records_it(stage: Stage) -> None:
    leaving, staying, begun, go_on = Led(), Led(), asyncio.Event(), asyncio.Event()

    async def book(turn: Turn) -> None:
        await turn.journal(tool_requested("c", "t1", "call-1"))

        async def work() -> None:
            begun.set()
            await go_on.wait()
            await turn.journal(tool_completed("c", "t1", "call-1"))

        await turn.effect(work)

    worker = await stage.worker("w1", leaving)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    leaving.do("t1", book)
    await soon(begun.wait())
    drained = asyncio.create_task(worker.drain(0))
    await eventually(lambda: leaving.over == ["t1"])
    assert not drained.done()
    go_on.set()
    await soon(drained)
    await listener.until(lambda it: len(it.events) == 3)
    assert isinstance(listener.events[2], ToolCompleted)
    await stage.worker("w2", staying)
    staying.end("t1", "Booked.")
    assert (await listener.reply("t1")).text == "Booked."
    assert len(staying.turns[0].events) == 4
