"""Redis is away, comes back, has lost its scripts, its group or everything: turns end, nobody has to be restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import ReplyStatus
from tests.bus.support.conversation import PROPERTY, message
from tests.bus.support.handlers import Led, echo
from tests.bus.support.recording import Recording
from tests.bus.support.stage import LAPSING, PATIENT, Stage
from tests.bus.support.waiting import eventually, soon
from tests.servers.redis import RedisServer


@pytest.fixture
async def own_stage(own_redis: RedisServer) -> AsyncIterator[Stage]:
    async with Stage(own_redis.url, lease_ms=1_000) as made:
        yield made


async def restart(server: RedisServer) -> None:
    """Kill it and start it again, while the loop goes on."""
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


async def test_a_turn_ends_over_a_restart(own_redis: RedisServer, own_stage: Stage) -> None:
    led, other = Led(), Led()
    await own_stage.worker("w1", led)
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await own_stage.accept("c", "t1")
    led.say("t1", "Before ")
    await listener.said("t1", "Before ")
    await restart(own_redis)
    await own_stage.worker("w2", other)
    for brain in (led, other):
        brain.say("t1", "and ")
        brain.end("t1", "after")
    reply = await listener.reply("t1")
    assert (reply.text, reply.status) == ("Before and after", ReplyStatus.FINISHED)
    await own_stage.accept("c", "t2")
    for brain in (led, other):
        brain.end("t2", "again")
    assert (await listener.reply("t2")).text == "again"
    await own_stage.at_rest("c")


async def test_what_is_asked_while_redis_is_away_is_answered_when_it_is_back(
    own_redis: RedisServer, own_stage: Stage
) -> None:
    await own_stage.worker("w1", echo)
    feed = await own_stage.feed()
    await own_stage.open("c")
    listener = await own_stage.listen(feed, "c")
    await asyncio.to_thread(own_redis.stop)
    accepted = asyncio.ensure_future(own_stage.accept("c", "t1", "patience"))
    await asyncio.to_thread(own_redis.start)
    await soon(accepted)
    assert (await listener.reply("t1")).text == "patience"


async def test_a_redis_that_stays_away_is_a_typed_error(own_redis: RedisServer) -> None:
    async with Stage(own_redis.url, **LAPSING) as stage:
        impatient = Conversations(await stage.new_bus("impatient", command_timeout_ms=300))
        await stage.open("c")
        worker = await stage.worker("w1", echo)
        await asyncio.to_thread(own_redis.stop)
        with pytest.raises(BusUnavailable):
            await soon(impatient.accept(message("c", "t1")))
        await eventually(lambda: not worker.healthy)
        await asyncio.to_thread(own_redis.start)
        await eventually(lambda: worker.healthy and stage.bus.commands.connected)
        await stage.accept("c", "t2")
        await stage.at_rest("c")


async def test_no_redis_at_the_start_says_what_to_check(redis_url: str) -> None:
    settings = BusSettings(redis_url="redis://127.0.0.1:1/0", command_timeout_ms=200)
    async with Bus(settings) as bus:
        with pytest.raises(BusUnavailable, match="check REDIS_URL"):
            await bus.ping()
    unstarted = Bus(BusSettings(redis_url=redis_url))
    with pytest.raises(BusUnavailable, match="not started"):
        await unstarted.ping()


async def test_lost_scripts_are_loaded_again_and_the_order_is_kept(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    said = ""
    for number in range(6):
        await stage.send("SCRIPT", "FLUSH")
        led.say("t1", f"word{number} ", "and ")
        said += f"word{number} and "
        await listener.said("t1", said)
    await stage.send("SCRIPT", "FLUSH")
    led.end("t1", "end")
    assert (await listener.reply("t1")).text == said + "end"


async def test_what_was_called_after_a_lost_script_is_not_done_before_it(stage: Stage) -> None:
    """One batch: a script that Redis does not know any more, then a read of what it writes."""
    await stage.open("c")
    await stage.send("SCRIPT", "FLUSH")
    keys = stage.keys
    followed = stage.bus.commands.call(
        "follow",
        [keys.conv("c"), keys.subs("c"), keys.draft("c"), keys.mail("c"), keys.heads],
        ["c", PROPERTY, "g", 9_000],
    )
    listed = stage.send("ZRANGE", keys.subs("c"), 0, -1)
    _, gateways = await asyncio.gather(followed, listed)
    assert gateways == [b"g"]


async def test_the_group_is_made_again_when_somebody_removed_it(stage: Stage) -> None:
    worker = await stage.worker("w1", echo)
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.send("XGROUP", "DESTROY", stage.keys.turns, "brain")
    await stage.accept("c", "t1", "found again")
    assert (await listener.reply("t1")).text == "found again"
    assert worker.healthy


async def test_an_emptied_redis_needs_no_restart_of_anybody(stage: Stage) -> None:
    """The loops of the worker used to end at the first NOGROUP; a feed's poll at the first unknown conversation."""
    worker = await stage.worker("w1", echo)
    feed = await stage.feed(subscription_ms=1_000)
    await stage.open("gone")
    orphan = await stage.listen(feed, "gone")
    await stage.accept("gone", "t1")
    await orphan.reply("t1")
    await stage.send("FLUSHALL")
    await orphan.until(lambda it: it.error)
    await stage.open("new")
    listener = await stage.listen(feed, "new")
    await stage.accept("new", "t2", "a new day")
    assert (await listener.reply("t2")).text == "a new day"
    await eventually(lambda: worker.healthy)
    assert feed.healthy


async def test_connections_that_break_are_made_again(stage: Stage) -> None:
    seen = Recording()
    led = Led()
    await stage.worker("w1", led, observer=seen, **PATIENT)
    feed = await stage.feed(observer=seen, **PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    said = ""
    for number in range(3):
        await stage.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        led.say("t1", f"word{number} ")
        said += f"word{number} "
        await listener.said("t1", said)
    await stage.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    led.end("t1", "end")
    assert (await listener.reply("t1")).text == said + "end"
    assert seen.counted("reconnected") >= 3


async def test_an_entry_read_into_a_broken_connection_is_read_again(stage: Stage) -> None:
    """Delivered by Redis, never received: the worker finds it among its own pending ones."""
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    names = [f"c{n}" for n in range(8)]
    await stage.open(*names)
    listeners = {name: await stage.listen(feed, name) for name in names}
    for name in names:
        await stage.accept(name, f"{name}.1", name)
        await stage.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for name in names:
        assert (await listeners[name].reply(f"{name}.1")).text == name


async def test_words_that_redis_lost_are_sent_again(stage: Stage) -> None:
    """A failover may lose the last moment: the draft is behind what was sent."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "Before ")
    await listener.said("t1", "Before ")
    await stage.send("DEL", stage.keys.draft("c"))
    led.say("t1", "and ")
    await listener.said("t1", "Before and ")
    await stage.send("SET", stage.keys.draft("c"), "Before")
    led.end("t1", "after")
    assert (await listener.reply("t1")).text == "Before and after"


async def test_a_full_redis_is_a_typed_error_and_passes(own_redis: RedisServer, own_stage: Stage) -> None:
    await own_stage.open("c")
    await own_stage.send("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(BusUnavailable, match="refused"):
        await own_stage.accept("c", "t1")
    await own_stage.send("CONFIG", "SET", "maxmemory", 0)
    assert not (await own_stage.accept("c", "t1")).duplicate


async def test_nothing_is_left_open_after_the_end(redis_url: str) -> None:
    """Neither tasks nor connections."""
    tasks = asyncio.all_tasks()
    async with Stage(redis_url) as stage:
        worker = await stage.worker("w1", echo)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await stage.accept("c", "t1")
        await listener.reply("t1")
        await soon(worker.drain(1))
    async with Bus(BusSettings(redis_url=redis_url), name="look") as bus:
        left = await bus.commands.send("CLIENT", "LIST")
    assert left.count(b"name=botel-") == 1, left.decode()
    assert asyncio.all_tasks() == tasks
