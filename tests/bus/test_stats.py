"""What operators are told: lag, pending, ages, brains; and that unknown is not zero."""

from __future__ import annotations

from libs.bus.bus import Bus
from libs.bus.calls import CallCount, Calls
from libs.bus.settings import BusSettings
from libs.bus.stats import GroupStats, ShardStats, read_stats
from libs.contracts.calls import CallTicket
from libs.contracts.keys import STORE_GROUP, TURN_GROUP
from tests.bus.support.handlers import Led
from tests.bus.support.stage import PATIENT, Stage, make_zombie
from tests.bus.support.waiting import eventually


async def shard_of(stage: Stage) -> ShardStats:
    (shard,) = await read_stats(stage.bus)
    return shard


async def group_of(stage: Stage, name: str) -> GroupStats:
    return next(one for one in (await shard_of(stage)).groups if one.group == name)


async def test_nothing_is_there_yet(stage: Stage) -> None:
    shard = await shard_of(stage)
    assert [(one.group, one.present, one.lag) for one in shard.groups] == [
        (TURN_GROUP, False, None),
        (STORE_GROUP, False, None),
    ]
    assert (shard.workers_alive, shard.dead_letters) == (0, 0)


async def test_waiting_and_in_flight(stage: Stage) -> None:
    await stage.open("a", "b", "c")
    await stage.bus.ensure_group(stage.keys.turns, TURN_GROUP)
    for name in "abc":
        await stage.accept(name, f"{name}1")
    waiting = await group_of(stage, TURN_GROUP)
    assert (waiting.lag, waiting.pending, waiting.length, waiting.oldest_in_flight_ms) == (3, 0, 3, 0)

    async def aged() -> bool:
        return (await group_of(stage, TURN_GROUP)).oldest_waiting_ms >= 20

    await eventually(aged)
    led = Led()
    worker = await stage.worker("w1", led, slots=2, **PATIENT)
    await eventually(lambda: len(led.turns) == 2)
    busy = await group_of(stage, TURN_GROUP)
    assert (busy.lag, busy.pending, busy.consumers) == (1, 2, 1)
    assert busy.oldest_in_flight_ms >= busy.oldest_waiting_ms >= 20
    assert (await shard_of(stage)).workers_alive == 1
    for name in "abc":
        led.end(f"{name}1")
    await stage.at_rest("a", "b", "c")
    rest = await group_of(stage, TURN_GROUP)
    assert (rest.lag, rest.pending, rest.oldest_waiting_ms, rest.oldest_in_flight_ms) == (0, 0, 0, 0)
    await make_zombie(worker)
    await stage.send("ZADD", stage.keys.leases, 1, "w1")
    assert (await shard_of(stage)).workers_alive == 0


async def test_an_unknown_lag_is_not_zero(stage: Stage) -> None:
    """Somebody deleted entries by hand: Redis cannot tell any more how many are unread."""
    keys = stage.keys
    await stage.bus.ensure_group(keys.events, STORE_GROUP)
    entries = [await stage.send("XADD", keys.events, "*", "x", "y") for _ in range(5)]
    await stage.send("XREADGROUP", "GROUP", STORE_GROUP, "s", "COUNT", 2, "STREAMS", keys.events, ">")
    assert (await group_of(stage, STORE_GROUP)).lag == 3
    await stage.send("XDEL", keys.events, entries[3])
    group = await group_of(stage, STORE_GROUP)
    assert group.lag is None
    assert group.present
    assert group.pending == 2


async def test_every_shard_is_told(redis_url: str) -> None:
    async with Bus(BusSettings(redis_url=redis_url, shards=3)) as bus:
        shards = await read_stats(bus)
    assert [shard.shard for shard in shards] == ["botel:{0}:", "botel:{1}:", "botel:{2}:"]


async def test_dead_letters_are_counted_those_that_are_gone_as_well(stage: Stage) -> None:
    before = await shard_of(stage)
    assert (before.dead_letters, before.dead_letters_written) == (0, 0)
    letters = [await stage.send("XADD", stage.keys.dead, "*", "why", "a test") for _ in range(3)]
    await stage.send("XDEL", stage.keys.dead, letters[0])
    await stage.send("XTRIM", stage.keys.dead, "MINID", letters[2])
    after = await shard_of(stage)
    assert (after.dead_letters, after.dead_letters_written) == (1, 3)


async def test_the_memory_of_redis_and_what_it_may_take(stage: Stage) -> None:
    memory = (await shard_of(stage)).memory
    assert memory
    assert 100_000 < memory.used < memory.limit  # no maxmemory: the machine's
    before = (await stage.send("CONFIG", "GET", "maxmemory"))[1]
    await stage.send("CONFIG", "SET", "maxmemory", 100_000_000)
    try:
        limited = (await shard_of(stage)).memory
    finally:
        await stage.send("CONFIG", "SET", "maxmemory", before)
    assert limited
    assert limited.limit == 100_000_000


async def test_who_may_not_ask_for_memory_is_told_the_rest(stage: Stage, redis_url: str) -> None:
    await stage.send("ACL", "SETUSER", "asks", "reset", "on", ">secret", "~*", "&*", "+@all", "-info", "-xinfo|stream")
    url = redis_url.replace("://", "://asks:secret@", 1)
    try:
        async with Bus(BusSettings(redis_url=url)) as bus:
            (shard,) = await read_stats(bus)
            await bus.ping()  # what is left out is no reason not to be ready
    finally:
        await stage.send("ACL", "DELUSER", "asks")
    assert (shard.memory, shard.dead_letters_written) == (None, None)
    assert (shard.dead_letters, shard.workers_alive) == (0, 0)


async def test_calls_in_rooms_are_counted_by_who_answers_them(stage: Stage) -> None:
    calls = Calls(stage.bus, lease_ms=60_000)
    held, left = (CallTicket(call_id=f"room-{name}", property_id="harbour") for name in ("held", "left"))
    epoch = await calls.take(left, "job-1")
    await calls.leave(left, "job-1", epoch)
    async with calls.hold(held, "job-2"):
        assert (await shard_of(stage)).calls == CallCount(1, 1)


async def test_a_guest_who_is_just_coming_was_counted_as_alone(stage: Stage) -> None:
    """With sessions opened all the time somebody was always alone, and operators were paged for it."""
    calls = Calls(stage.bus, lease_ms=60_000)
    coming, waiting = (CallTicket(call_id=f"room-{name}", property_id="harbour") for name in ("coming", "waiting"))
    assert await calls.expect(coming, 12_000)
    assert (await shard_of(stage)).calls == CallCount(0, 0)
    assert await calls.expect(waiting, 12_000)
    since = float(await stage.send("HGET", stage.keys.call("room-waiting"), "u"))
    await stage.send("HSET", stage.keys.call("room-waiting"), "u", str(since - 31_000))
    assert (await shard_of(stage)).calls == CallCount(0, 1)
    async with calls.hold(coming, "job-1"):
        assert (await shard_of(stage)).calls == CallCount(1, 1)


async def test_a_conversation_id_that_is_no_text_broke_the_lag_reader(stage: Stage) -> None:
    await stage.bus.ensure_group(stage.keys.turns, TURN_GROUP)
    await stage.bus.commands.send("XADD", stage.keys.turns, "*", "c", b"\xff", "t", b"\xfe", "b", b"\xff")
    assert (await group_of(stage, TURN_GROUP)).lag == 1
