"""Redis comes back with less than it had: followers, readers and the store's group are ahead and must not stall."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from libs.bus.events import EventConsumer, Record
from libs.bus.link import Part
from libs.bus.reader import resume_point
from libs.contracts.events import MessageReceived, ReplyStatus
from libs.contracts.keys import STORE_GROUP
from tests.bus.support.handlers import Halting, Led, echo
from tests.bus.support.recording import Recording
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.redis import RedisServer

WITHIN_S = 20.0


async def set_back(server: RedisServer) -> None:
    """Kill it and start it with what `keep_data` put aside."""
    await asyncio.to_thread(server.stop)
    server.restore_data()
    await asyncio.to_thread(server.start)


async def test_a_follower_skipped_what_came_under_numbers_that_it_had(own_redis: RedisServer) -> None:
    seen = Recording()
    async with Stage(own_redis.url) as stage:
        await stage.worker("w1", echo)
        feed = await stage.feed(observer=seen)
        await stage.open("c")
        listener = await stage.listen(feed, "c", may_go_back=True)
        await stage.accept("c", "t1", "kept")
        await listener.reply("t1")
        await stage.at_rest("c")
        own_redis.keep_data()
        for turn in ("lost1", "lost2", "lost3"):
            await stage.accept("c", turn)
            await listener.reply(turn)
        assert listener.events[-1].number == 9
        await set_back(own_redis)

        await soon(stage.accept("c", "t2", "under a number that was given before"), WITHIN_S)

        await listener.until(lambda it: "t2" in it.replies and it.events[-1].number == 5, WITHIN_S)
        assert listener.text["t2"] == "under a number that was given before"
        assert [event.id for event in listener.events] == [event.id for event in (await stage.history("c"))[1:]]
        assert seen.counted("healed", "lost writes") == 1


async def test_a_follower_whose_log_has_grown_past_its_number_meanwhile(own_redis: RedisServer) -> None:
    """Comparing numbers does not tell: the log is longer than what was handed out, and says something else."""
    async with Stage(own_redis.url) as stage:
        await stage.worker("w1", echo)
        feed = await stage.feed(poll_ms=1_000)
        await stage.open("c")
        listener = await stage.listen(feed, "c", may_go_back=True)
        await eventually(lambda: stage.field("c", "n"))
        own_redis.keep_data()
        await stage.accept("c", "lost")
        await listener.reply("lost")
        await set_back(own_redis)
        for turn in ("t1", "t2", "t3"):
            await soon(stage.accept("c", turn), WITHIN_S)

        await listener.until(lambda it: {"t1", "t2", "t3"} <= it.replies.keys(), WITHIN_S)

        await stage.at_rest("c")
        history = [event.id for event in (await stage.history("c"))[1:]]
        await listener.until(lambda it: [event.id for event in it.events] == history, WITHIN_S)


async def test_an_event_that_came_while_the_number_was_read_came_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number was older than what had been handed out meanwhile, which looked like a log that went back."""
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    commands = feed._bus.at(stage.keys)
    original = commands.send

    async def late(asked: Awaitable[Any]) -> Any:
        reply = await asked
        monkeypatch.setattr(commands, "send", original)
        await stage.accept("c", "t1")
        await listener.until(lambda it: it.events)
        return reply

    def send(*parts: Part) -> Awaitable[Any]:
        asked = original(*parts)
        return asyncio.ensure_future(late(asked)) if parts[0] == "HGET" else asked

    monkeypatch.setattr(commands, "send", send)
    (subscription,) = feed._followers["c"]
    await subscription.check(renew=False)
    await stage.accept("c", "t2")
    await listener.until(lambda it: len(it.events) == 2)
    assert [event.id for event in listener.events] == ["t1", "t2"]
    assert listener.error is None


async def test_a_turn_whose_claim_was_lost_is_claimed_again_at_a_higher_epoch(own_redis: RedisServer) -> None:
    led = Led()
    async with Stage(own_redis.url) as stage:
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c", may_go_back=True)
        await stage.accept("c", "t1")
        own_redis.keep_data()
        await stage.worker("w1", led)
        await eventually(lambda: led.began("t1"))
        await set_back(own_redis)

        led.say("t1", "words of a run that Redis does not know any more")
        await eventually(lambda: led.began("t1", times=2), WITHIN_S)
        led.end("t1", "said")

        await listener.until(lambda it: "t1" in it.replies, WITHIN_S)
        assert led.turns[1].grant.epoch > led.turns[0].grant.epoch
        assert listener.replies["t1"].status is ReplyStatus.FINISHED
        await stage.at_rest("c")


async def test_words_beyond_the_draft_that_was_kept_are_not_said_twice(own_redis: RedisServer) -> None:
    brain, text = Halting(), "these words are heard before and these after"
    async with Stage(own_redis.url) as stage:
        await stage.worker("w1", brain)
        await stage.worker("w2", brain)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c", may_go_back=True)
        await stage.accept("c", "t1", text)
        own_redis.keep_data()
        await listener.said("t1", Halting.half(text))
        await set_back(own_redis)
        brain.go.set()
        await listener.until(lambda it: "t1" in it.replies, WITHIN_S)
        assert (await listener.reply("t1")).text == text
        await stage.at_rest("c")


async def test_the_stores_group_gets_all_that_redis_has_afterwards(own_redis: RedisServer) -> None:
    kept: dict[tuple[str, str], Record] = {}

    async def keep(records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record.event, MessageReceived):
                kept[record.conversation_id, record.event.turn_id] = record

    async with Stage(own_redis.url) as stage:
        bus = await stage.new_bus("store")
        consumer = asyncio.create_task(EventConsumer(bus, STORE_GROUP, "store-1", keep).run())
        try:
            await stage.open("c")
            await stage.accept("c", "t1")
            await eventually(lambda: ("c", "t1") in kept)
            own_redis.keep_data()
            await stage.accept("c", "lost")
            await eventually(lambda: ("c", "lost") in kept)
            await set_back(own_redis)
            await soon(stage.accept("c", "t2"), WITHIN_S)
            await eventually(lambda: ("c", "t2") in kept, WITHIN_S)
            assert kept["c", "t2"].number == kept["c", "lost"].number
        finally:
            consumer.cancel()


async def test_a_reader_whose_id_is_ahead_of_the_stream_waited_for_it_to_be_passed(stage: Stage) -> None:
    """The new master's clock may be behind the old one's, and then its ids are."""
    bus, stream = stage.bus, stage.keys.chunks("g1")
    commands = bus.at(stage.keys)
    assert await resume_point(commands, stream, "0-0") == "0-0"
    assert await resume_point(commands, stream, "900-3") == "0-0", "the stream is gone"
    for entry in ("899-9", "900-3"):
        await stage.send("XADD", stream, entry, "b", "x")
    assert await resume_point(commands, stream, "900-3") == "900-3"
    assert await resume_point(commands, stream, "899-9") == "899-9"
    assert await resume_point(commands, stream, "900-4") == "0-0"
    assert await resume_point(commands, stream, "1000-0") == "0-0", "ids are numbers, not text"


async def test_feed_and_cancels_go_on_behind_a_clock_that_stepped_back(own_redis: RedisServer) -> None:
    """Chunk and cancel ids of a server that was ahead by a day: what comes with lower ids is heard all the same."""
    led, tomorrow = Led(), "4000000000000-0"
    async with Stage(own_redis.url, poll_ms=60_000, subscription_ms=300_000) as stage:
        await stage.open("c")
        own_redis.keep_data()
        for stream in (stage.keys.chunks("g1"), stage.keys.cancels):
            await stage.send("XADD", stream, tomorrow, "b", "x")
        feed = await stage.feed("g1")
        await eventually(lambda: list(feed._after.values()) == [tomorrow])
        await stage.worker("w1", led)
        await set_back(own_redis)
        listener = await stage.listen(feed, "c")
        await soon(stage.accept("c", "t1"), WITHIN_S)
        led.say("t1", "heard")
        await listener.said("t1", "heard")
        await stage.cancel("c", "t1")
        await eventually(lambda: "t1" in led.over)
        assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED
