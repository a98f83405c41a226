"""Cancel: early, queued, running, late and twice. After the acknowledgement nothing more is said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from libs.bus.commands import Commands
from libs.bus.handler import Turn
from libs.contracts.errors import TurnCancelled
from libs.contracts.events import ReplyStatus
from tests.bus.support.conversation import tool_completed
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import PATIENT, Stage, stop_hearing_cancels
from tests.bus.support.waiting import eventually, soon


async def test_a_running_turn_stops_at_once_and_keeps_what_was_said(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "Breakfast is ")
    await listener.said("t1", "Breakfast is ")
    assert await stage.cancel("c", "t1") == "running"
    led.end("t1", "from seven to ten")
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.CANCELLED, "Breakfast is ")
    await eventually(lambda: led.over == ["t1"])
    assert await stage.cancel("c", "t1") == "done"


async def test_nothing_is_said_after_the_acknowledgement(stage: Stage) -> None:
    """A handler that never pauses: what the chunk stream held at the acknowledgement is all there ever is."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", *(f"{n} " for n in range(500)))
    await listener.until(lambda it: "20 " in it.text["t1"])
    await stage.cancel("c", "t1")
    draft_at_acknowledgement = await stage.send("GET", stage.keys.draft("c"))
    reply = await listener.reply("t1")
    if draft_at_acknowledgement is not None:
        assert reply.text == draft_at_acknowledgement.decode()
    assert reply.status is ReplyStatus.CANCELLED


async def test_without_the_fast_path_the_next_word_finds_the_cancel(stage: Stage) -> None:
    led = Led()
    await stop_hearing_cancels(await stage.worker("w1", led, **PATIENT))
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "So far")
    await listener.said("t1", "So far")
    await stage.cancel("c", "t1")
    led.say("t1", " and no further")
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.CANCELLED, "So far")


async def test_a_reply_that_ends_under_its_cancel_is_cancelled(stage: Stage) -> None:
    """The commit finds the flag: nothing else tells this worker."""
    led = Led()
    await stop_hearing_cancels(await stage.worker("w1", led, **PATIENT))
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "So far")
    await listener.said("t1", "So far")
    await stage.cancel("c", "t1")
    led.end("t1")
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.CANCELLED, "So far")


async def test_a_queued_turn_is_never_begun(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    for turn in ("t1", "t2", "t3"):
        await stage.accept("c", turn)
    await eventually(lambda: led.began("t1"))
    assert await stage.cancel("c", "t2") == "queued"
    assert await stage.cancel("c", "t2") == "queued", "twice is once"
    led.end("t1", "one")
    led.end("t3", "three")
    await listener.reply("t3")
    assert listener.replies["t2"].status is ReplyStatus.CANCELLED
    assert (listener.replies["t2"].text, listener.ends["t2"]) == ("", ReplyStatus.CANCELLED)
    assert not led.began("t2")


async def test_cancelled_before_it_was_claimed(stage: Stage) -> None:
    led = Led()
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    assert await stage.cancel("c", "t1") == "queued"
    await stage.worker("w1", led, **PATIENT)
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert not led.turns


async def test_early_running_late_and_twice(stage: Stage) -> None:
    await stage.open("c")
    assert await stage.cancel("c", "t1") == "early"
    assert await stage.cancel("c", "t1") == "early"
    with pytest.raises(TurnCancelled):
        await stage.accept("c", "t1")
    led = Led()
    await stage.worker("w1", led)
    await stage.accept("c", "t2")
    await eventually(lambda: led.began("t2"))
    assert await stage.cancel("c", "t2") == "running"
    await stage.at_rest("c")
    assert await stage.cancel("c", "t2") == "done"


async def test_a_side_effect_finishes_under_a_cancel(stage: Stage) -> None:
    led, begun, go_on, outcome = Led(), asyncio.Event(), asyncio.Event(), []

    async def book() -> None:
        begun.set()
        await go_on.wait()
        outcome.append("booked")

    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.do("t1", lambda turn: turn.effect(book))
    await soon(begun.wait())
    await stage.cancel("c", "t1")
    await eventually(lambda: led.over == ["t1"])
    assert not listener.replies, "the turn does not end before its side effect"
    go_on.set()
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert outcome == ["booked"]


async def test_a_cancel_between_the_claim_and_the_run_was_not_noticed_until_the_first_word(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim's reply is held back while the fast cancel passes."""
    held, go_on = asyncio.Event(), asyncio.Event()
    original = Commands.call

    def call(self: Commands, script: str, keys: Any, args: Any) -> Awaitable[Any]:
        made = original(self, script, keys, args)
        return asyncio.ensure_future(hold(made)) if script == "claim" else made

    async def hold(made: Awaitable[Any]) -> Any:
        reply = await made
        held.set()
        await go_on.wait()
        return reply

    monkeypatch.setattr(Commands, "call", call)
    led = Led()
    worker = await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await soon(held.wait())
    assert await stage.cancel("c", "t1") == "running"
    (shard,) = worker._shards
    await eventually(lambda: shard._answering._withdrawn)
    go_on.set()
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert not led.turns


async def test_a_completed_tool_under_a_cancel_stops_the_handler(stage: Stage) -> None:
    """Recorded it is; but the handler must not go on to ask the model."""
    led, went_on = Led(), asyncio.Event()

    async def complete(turn: Turn) -> None:
        await stage.cancel("c", "t1")
        await turn.journal(tool_completed("c", "t1", "call-1"))
        await asyncio.Event().wait()
        went_on.set()

    await stop_hearing_cancels(await stage.worker("w1", led, **PATIENT))
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.do("t1", complete)
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert [event.id for event in listener.events] == ["t1", "t1.call-1.completed", "t1.reply"]
    assert not went_on.is_set()


async def test_many_cancels_leave_nothing_behind(stage: Stage) -> None:
    await stage.worker("w1", echo, slots=8, **PATIENT)
    names = [f"c{n}" for n in range(12)]
    await stage.open(*names)
    for name in names:
        await stage.accept(name, f"{name}.1", "a b c d e f g h")
        await stage.accept(name, f"{name}.2")
    await asyncio.gather(*(stage.cancel(name, f"{name}.{n}") for name in names for n in (1, 2)))
    await stage.at_rest(*names)
    for name in names:
        fields = await stage.send("HKEYS", stage.keys.conv(name))
        assert not [field for field in fields if field.startswith(b"x:")]
        assert await stage.send("EXISTS", stage.keys.draft(name), stage.keys.mail(name)) == 0
