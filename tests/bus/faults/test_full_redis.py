"""Redis without memory (maxmemory, noeviction) or without a disk: it refuses writes, and nothing dies of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.contracts.errors import BusFull, Retry
from libs.contracts.events import ReplyStatus
from tests.bus.support.conversation import heard, tool_completed, tool_requested
from tests.bus.support.handlers import Halting, Led, echo
from tests.bus.support.recording import Recording
from tests.bus.support.stage import LAPSING, Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.redis import RedisServer


@pytest.fixture
async def own_stage(own_redis: RedisServer) -> AsyncIterator[Stage]:
    async with Stage(own_redis.url) as made:
        yield made


async def fill(stage: Stage) -> None:
    """From here on Redis refuses whatever needs memory."""
    await stage.send("CONFIG", "SET", "maxmemory", 1)


async def relieve(stage: Stage) -> None:
    await stage.send("CONFIG", "SET", "maxmemory", 0)


async def lease(stage: Stage) -> float:
    """When that of w1 ends."""
    return float(await stage.send("ZSCORE", stage.keys.leases, "w1"))


async def test_accept_open_and_append_are_refused_at_once_and_wrote_nothing(own_stage: Stage) -> None:
    await own_stage.open("c")
    await fill(own_stage)
    for asked in (own_stage.accept("c", "t1"), own_stage.open("d"), own_stage.conversations.append(heard("c", "e1"))):
        with pytest.raises(BusFull, match="OOM") as refused:
            await asked
        assert refused.value.retry is Retry.LATER
    assert len(await own_stage.history("c")) == 1, "reading works"
    await relieve(own_stage)
    assert not (await own_stage.accept("c", "t1")).duplicate


async def test_a_reply_waits_for_memory_and_goes_on(own_stage: Stage) -> None:
    """A run whose emit was refused ended at once; the turn was asked again, of the model too, at every attempt."""
    seen, led = Recording(), Led()
    await own_stage.worker("w1", led, observer=seen)
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await own_stage.accept("c", "t1")
    led.say("t1", "Before ")
    await listener.said("t1", "Before ")
    await fill(own_stage)
    led.say("t1", "and while ")
    await eventually(lambda: seen.counted("refused", "emit") >= 2)
    before = await lease(own_stage)

    async def renewed() -> bool:
        return await lease(own_stage) > before

    await eventually(renewed)  # in a full Redis
    await relieve(own_stage)
    led.end("t1", "and after")
    reply = await listener.reply("t1")
    assert (reply.text, reply.status) == ("Before and while and after", ReplyStatus.FINISHED)
    assert len(led.turns) == 1, "one run, one generation"


async def test_a_commit_waits_for_memory(own_stage: Stage) -> None:
    seen, led = Recording(), Led()
    await own_stage.worker("w1", led, observer=seen)
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await own_stage.accept("c", "t1")
    led.say("t1", "all of it")
    await listener.said("t1", "all of it")
    await fill(own_stage)
    led.end("t1")
    await eventually(lambda: seen.counted("refused", "commit") >= 2)
    await relieve(own_stage)
    assert (await listener.reply("t1")).text == "all of it"
    assert len(led.turns) == 1
    await own_stage.at_rest("c")


async def test_a_tool_is_not_begun_before_it_is_recorded_and_its_result_waits(own_stage: Stage) -> None:
    seen, led, effects = Recording(), Led(), list[str]()
    await own_stage.worker("w1", led, observer=seen)
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await own_stage.accept("c", "t1")
    await eventually(lambda: led.began("t1"))
    await fill(own_stage)

    async def book(turn: object) -> None:
        run = led.turns[-1]
        await run.journal(tool_requested("c", "t1", "call"))
        effects.append("booked")
        await run.journal(tool_completed("c", "t1", "call"))

    led.do("t1", book)
    led.end("t1", "booked")
    await eventually(lambda: seen.counted("refused", "journal") >= 2)
    assert not effects
    await relieve(own_stage)
    assert (await listener.reply("t1")).text == "booked"
    assert (effects, len(led.turns)) == (["booked"], 1)


async def test_what_was_accepted_before_is_claimed_when_there_is_memory_again(own_stage: Stage) -> None:
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await own_stage.accept("c", "t1", "waiting")
    await fill(own_stage)
    starting = asyncio.ensure_future(own_stage.worker("w1", echo))
    with pytest.raises(BusFull):
        await own_stage.accept("c", "t2")
    await relieve(own_stage)
    await soon(starting)
    assert (await listener.reply("t1")).text == "waiting"


async def test_retiring_gives_memory_back_to_a_full_redis(own_stage: Stage) -> None:
    """It is what an operator hopes for; it was refused like any other write."""
    keys = own_stage.keys
    await own_stage.open("c")
    await fill(own_stage)
    retired = await own_stage.bus.commands.call(
        "retire",
        [keys.conv("c"), keys.mail("c"), keys.log("c"), keys.draft("c"), keys.subs("c"), keys.heads],
        ["c", 1],
    )
    assert retired == b"retired"
    await relieve(own_stage)
    assert (await own_stage.accept("c", "t1")).number == 2


async def test_a_disk_that_cannot_be_written_is_waited_for(own_redis: RedisServer, own_stage: Stage) -> None:
    """MISCONF: no lease can be renewed either, so the run ends; with a disk again the reply goes on from its draft."""
    brain, text = Halting(), "words before the disk failed and words after"
    await own_stage.worker("w1", brain, **LAPSING)
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await own_stage.accept("c", "t1", text)
    await listener.said("t1", Halting.half(text))
    await own_stage.send("CONFIG", "SET", "save", "3600 1")
    with own_redis.broken_disk():
        await own_stage.send("BGSAVE")
        await eventually(lambda: b"rdb_last_bgsave_status:err" in own_redis.ask("INFO persistence"))
        with pytest.raises(BusFull, match="MISCONF"):
            await own_stage.accept("c", "t2", text)
        brain.go.set()
    await own_stage.send("BGSAVE")
    assert (await listener.reply("t1")).text == text
    await own_stage.at_rest("c")
