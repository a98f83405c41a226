"""Runs that cannot end well: they break, are too long, too large or too late. The turn still ends, once."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from libs.bus.handler import Done, Turn
from libs.contracts.events import ReplyStatus
from tests.bus.support.conversation import PROPERTY, heard
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import LAPSING, PATIENT, Stage

LASTING = {**PATIENT, **LAPSING, "unclaimed_ms": 250}
"""Workers that mend, in a bus where nothing heals by polling."""


async def test_a_run_that_breaks_its_worker_was_given_back_for_ever(redis_url: str) -> None:
    """Not the handler: the context is not a hash. It must end in the dead letters, not in a loop."""
    async with Stage(redis_url, max_attempts=2, **PATIENT) as stage:
        led = Led()
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1")
        await stage.send("SET", stage.keys.context("c"), "damaged by hand")
        await stage.worker("w1", led)
        assert (await listener.reply("t1")).status is ReplyStatus.DEAD
        assert listener.replies["t1"].property_id == PROPERTY
        assert (await stage.dead_letters())[0]["c"] == "c"
        assert not led.turns


async def test_a_message_far_behind_the_end_of_the_log_was_taken_for_unreadable(redis_url: str) -> None:
    async with Stage(redis_url, log_tail=3, **PATIENT) as stage:
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1", "the question")
        for number in range(6):
            await stage.conversations.append(heard("c", f"h{number}"))
        await stage.worker("w1", echo)
        assert (await listener.reply("t1")).text == "the question"


async def test_a_reply_too_long_for_a_draft_ends_as_failed(redis_url: str) -> None:
    async with Stage(redis_url, max_draft_bytes=20, **PATIENT) as stage:
        await stage.worker("w1", echo)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1", "one two three four five six seven")
        reply = await listener.reply("t1")
        assert (reply.status, reply.reason) == (ReplyStatus.FAILED, "full")
        assert "one two three four five six seven".startswith(reply.text)
        assert len(reply.text.encode()) <= 20


async def test_a_reply_whose_event_was_too_large_was_answered_again_and_again(stage: Stage) -> None:
    """A draft of quotes is twice as long in JSON, of control characters six times."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.end("t1", "\x01" * 30_000)
    await listener.until(lambda it: "t1" in it.replies)
    reply = listener.replies["t1"]
    assert listener.text["t1"] == "\x01" * 30_000
    assert (reply.status, reply.reason) == (ReplyStatus.FINISHED, "the text is cut to fit an event")


async def test_a_run_past_its_cap_fails(redis_url: str) -> None:
    async with Stage(redis_url, run_cap_ms=1_000, **PATIENT) as stage:
        led = Led()
        await stage.worker("w1", led)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1")
        led.say("t1", "Well")
        reply = await listener.reply("t1")
        assert (reply.status, reply.text) == (ReplyStatus.FAILED, "Well")
        assert reply.reason == "took longer than any turn may"


async def test_words_not_sent_when_the_lease_lapsed_were_lost(stage: Stage) -> None:
    """The handler had finished with words on no wire yet: that was a finished reply, without them."""
    runs: list[Turn] = []

    async def handler(turn: Turn) -> AsyncGenerator[str | Done, None]:
        runs.append(turn)
        if len(runs) == 1:
            yield "First "
            yield "second "
            worker._shards[0].lapse()
        else:
            yield "third"

    worker = await stage.worker("w1", handler, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    assert (await listener.reply("t1")).text == "First third"
    assert len(runs) == 2
