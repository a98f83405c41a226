"""The flows of every service with its own user, through the bus as the services use it; the server refuses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec import structs
from redis import Redis
from redis.exceptions import RedisError

from deploy.local.lag import lag_table
from deploy.local.tail import StreamTail
from libs.bus.bus import Bus
from libs.bus.calls import Calls
from libs.bus.cli import main
from libs.bus.conversations import Conversations
from libs.bus.dead import DeadLetters
from libs.bus.events import EventConsumer, Record
from libs.bus.feed import Feed
from libs.bus.retiring import Retirement, Retiring
from libs.bus.settings import BusSettings
from libs.bus.stats import read_stats
from libs.bus.tail import LogTail
from libs.contracts.events import ReplyStatus
from libs.contracts.keys import STORE_GROUP
from tests.bus.support.conversation import PROPERTY, message, opened
from tests.bus.support.handlers import Led, echo
from tests.bus.support.phones import found, lapse, seeing, ticket
from tests.bus.support.stage import Stage, kill
from tests.bus.support.waiting import eventually
from tests.servers.users import GuardedRedis


@pytest.fixture
async def stage(guarded: GuardedRedis) -> AsyncIterator[Stage]:
    async with Stage(guarded.url, max_attempts=1) as made:
        yield made
    assert guarded.refusals() == b"*0\r\n"


async def test_turns_are_streamed_cancelled_and_taken_over(guarded: GuardedRedis) -> None:
    first, second = Led(), Led()
    async with Stage(guarded.url) as stage:
        dying = await stage.worker("w1", first)
        feed = await stage.feed("text-1")
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1", gateway_id="text-1")
        first.say("t1", "The pool ", "opens ")
        await listener.said("t1", "The pool opens ")
        await stage.worker("w2", second)
        await kill(dying)
        await eventually(lambda: second.began("t1"))
        second.end("t1", "at eight.")
        assert (await listener.reply("t1")).text == "The pool opens at eight."
        await stage.accept("c", "t2")
        await stage.accept("c", "t3")
        second.say("t2", "Well ")
        await listener.said("t2", "Well ")
        assert (await stage.cancel("c", "t2"), await stage.cancel("c", "t3")) == ("running", "queued")
        assert (await listener.reply("t3")).status is ReplyStatus.CANCELLED
        await stage.at_rest("c")
    assert guarded.refusals() == b"*0\r\n"


async def test_a_call_is_held_left_overdue_and_ended_and_its_words_come_to_the_voice_gateway(stage: Stage) -> None:
    bus = await stage.new_bus("voice", user="voice_gateway", call_renew_ms=20)
    await stage.worker("w1", echo)
    calls, talks = Calls(bus), Conversations(bus)
    await talks.open(opened("c"), {"property_id": PROPERTY})
    async with Feed(bus, "voice-1") as feed:
        listener = await stage.listen(feed, "c")
        await talks.accept(message("c", "t1", "hello there"), gateway_id="voice-1")
        assert (await listener.reply("t1")).text == "hello there"
        assert (await talks.read(PROPERTY, "c")).number >= 3
        await talks.cancel(PROPERTY, "c", "t9")
    assert await calls.expect(ticket())
    async with calls.hold(ticket(), "job-1") as lease:
        assert lease.epoch == 1
    await lapse(stage)
    overdue = await found(seeing(calls))
    assert await calls.confirm(overdue)
    async with calls.hold(ticket(takeover=1), "job-2") as lease:
        assert await lease.end()
    text = Calls(await stage.new_bus("door", user="text_gateway"))
    assert await text.expect(ticket("call-2"))
    assert await text.forget(ticket("call-2"))


@asynccontextmanager
async def storing(bus: Bus) -> AsyncIterator[list[Record]]:
    kept: list[Record] = []

    async def sink(records: Sequence[Record]) -> None:
        kept.extend(records)

    task = asyncio.create_task(EventConsumer(bus, STORE_GROUP, "store-1", sink, adopt_after_ms=50).run())
    yield kept
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_store_keeps_trims_counts_retires_and_writes_summaries(stage: Stage) -> None:
    store = await stage.new_bus("store", user="context_store")
    await stage.worker("w1", echo)
    await stage.open("c")
    await stage.send("XADD", stage.keys.events, "*", "c", "c", "n", "no number")
    async with storing(store) as kept:
        await stage.accept("c", "t1")
        await stage.at_rest("c")
        await eventually(lambda: len(kept) >= 3)
        assert [one.number for one in kept] == [1, 2, 3]
        (shard,) = await read_stats(store)
        assert lag_table([shard])
        await Conversations(store).append(structs.replace(opened("c"), id="evt-1"), {"guest": "Ada"})
        await eventually(lambda: len(kept) >= 4)
    tail = await LogTail(store).read(PROPERTY, "c", after=0, limit=10)
    assert (len(tail.entries), tail.context["guest"]) == (4, "Ada")
    await stage.send("DEL", stage.keys.subs("c"))
    assert await Retiring(store).retire(PROPERTY, "c", 4) is Retirement.RETIRED
    assert len(await stage.dead_letters()) == 1


async def test_the_store_forgets_a_guest_to_the_last_dead_letter(stage: Stage) -> None:
    """An operator erases with the store's user: the command runs with the settings of the service."""
    led = Led()
    for conversation in ("c", "other"):
        await stage.open(conversation)
    first = await stage.worker("w1", led)
    await stage.accept("c", "t1")
    await stage.accept("other", "t2")
    await eventually(lambda: led.began("t1") and led.began("t2"))
    await kill(first)
    await stage.worker("w2", echo)
    await eventually(lambda: has_letters_of(stage, "c", "other"))
    await stage.at_rest("c")
    store = await stage.new_bus("store", user="context_store")
    last = len(await stage.history("c"))
    done = await Retiring(store).forget(PROPERTY, "c", last, customer_id="guest-1", reservation_id="")
    assert done is Retirement.RETIRED
    assert await has_letters_of(stage, "other")


async def has_letters_of(stage: Stage, *conversations: str) -> bool:
    found = await DeadLetters(stage.bus).newest(10)
    return sorted(letter.conversation_id for letter in found) == sorted(conversations)


async def test_an_operator_looks_replays_discards_and_drops(
    stage: Stage, guarded: GuardedRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    """One attempt is allowed, and the brain that makes it dies; another answers the replay."""
    await stage.open("c")
    await stage.bus.ensure_group(stage.keys.events, "old-reader")
    operator = await stage.new_bus("operator", user="operator")
    tail = StreamTail(operator)
    await tail.begin()
    led = Led()
    first = await stage.worker("w1", led)
    await stage.accept("c", "t1", gateway_id="text-9")
    await eventually(lambda: led.began("t1"))
    await kill(first)
    await stage.worker("w2", echo)
    await eventually(stage.dead_letters)
    assert "t1" in await anext(tail.lines())
    (letter,) = [f"0:{entry[0].decode()}" for entry in await stage.send("XRANGE", stage.keys.dead, "-", "+")]
    settings = BusSettings(redis_url=guarded.url("operator"))
    for command in (["dead", "list"], ["dead", "show", letter], ["dead", "replay", letter],
                    ["dead", "discard", "--all", "--older-than", "1d"], ["groups", "list"],
                    ["groups", "drop", "old-reader", "--yes"]):  # fmt: skip
        assert await asyncio.to_thread(main, command, settings) == 0, capsys.readouterr()
    await stage.at_rest("c")
    (shard,) = await read_stats(operator)
    assert (shard.dead_letters, shard.turns_waiting, shard.workers_alive) == (0, 0, 1)


async def test_what_scripts_wrote_outlives_a_restart_of_redis(guarded: GuardedRedis) -> None:
    """Redis replays its append-only file with the rights of the default user, who is off: it must not lack any."""
    async with Stage(guarded.url) as stage:
        await stage.worker("w1", echo)
        await stage.open("c")
        await stage.accept("c", "t1")
        await stage.at_rest("c")
        before = await stage.history("c")
        guarded.server.stop()
        guarded.server.start()
        assert await stage.history("c") == before
        await stage.accept("c", "t2")
        await stage.at_rest("c")
    assert len(before) >= 3


async def test_a_password_is_changed_while_guests_are_answered(guarded: GuardedRedis) -> None:
    """Both are good, then every process is started with the new one, then only that is good."""
    (old,) = guarded.passwords["brain"]
    operator = BusSettings(redis_url=guarded.url("operator"))
    async with Stage(guarded.url) as stage, Bus(operator) as bus:
        first = await stage.worker("w1", echo)
        await stage.open("c")
        guarded.rewrite({**guarded.passwords, "brain": ["a-new-long-password", old]})
        await bus.commands.send("ACL", "LOAD")
        await stage.accept("c", "t1")
        await stage.at_rest("c")
        await stage.worker("w2", echo)
        await first.drain(1)
        guarded.rewrite({**guarded.passwords, "brain": ["a-new-long-password"]})
        await bus.commands.send("ACL", "LOAD")
        await stage.accept("c", "t2")
        await stage.at_rest("c")
        with (
            Redis.from_url(guarded.url("brain").replace("a-new-long-password", old)) as client,
            pytest.raises(RedisError),
        ):
            client.ping()
