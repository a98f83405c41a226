"""A command that a run requests: recorded like a tool call, fenced, once, and not of a cancelled turn."""

from __future__ import annotations

import asyncio

from libs.bus.handler import Turn, TurnStopped
from libs.contracts.commands import HangUp
from libs.contracts.events import Author, Channel, CommandRequested, ReplyStatus
from tests.bus.support.conversation import NOW, PROPERTY
from tests.bus.support.handlers import Led
from tests.bus.support.stage import PATIENT, Stage, kill
from tests.bus.support.waiting import eventually


def hang_up(conversation: str, turn: str) -> CommandRequested:
    return CommandRequested(
        id=f"cmd-{turn}.requested",
        time_ms=NOW,
        property_id=PROPERTY,
        conversation_id=conversation,
        author=Author.CONCIERGE,
        channel=Channel.VOICE,
        turn_id=turn,
        command_id=f"cmd-{turn}",
        command=HangUp(),
        call_id="call-1",
    )


async def request(turn: Turn) -> None:
    await turn.journal(hang_up("c", "t1"))


async def test_followers_have_it_behind_the_words_before_it(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "Goodbye ")
    led.do("t1", request)
    led.end("t1", "then.")
    assert (await listener.reply("t1")).text == "Goodbye then."
    assert [event.id for event in listener.events] == ["t1", "cmd-t1.requested", "t1.reply"]


async def test_a_successor_that_asks_again_asks_once(stage: Stage) -> None:
    first, second = Led(), Led()
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
    second.do("t1", request)
    second.end("t1", "Goodbye.")
    await listener.reply("t1")
    assert [event.id for event in listener.events] == ["t1", "cmd-t1.requested", "t1.reply"]


async def test_a_cancelled_turn_requests_nothing(stage: Stage) -> None:
    led, refused = Led(), asyncio.Event()

    async def after_a_cancel(turn: Turn) -> None:
        await stage.cancel("c", "t1")
        try:
            await request(turn)
        except TurnStopped:
            refused.set()
            raise

    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.do("t1", after_a_cancel)
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
    assert [event.id for event in listener.events] == ["t1", "t1.reply"]
