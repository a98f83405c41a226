"""The store is killed, its database locked, its disk full, a number comes twice: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.bus.bus import Bus
from libs.bus.stats import read_stats
from libs.contracts.keys import STORE_GROUP
from tests.eventually import eventually
from tests.integration.context_store.processes import StoreProcess, store_process
from tests.integration.context_store.test_live import Guest, bus_settings, running_store, stored

Bodies = dict[tuple[str, int], bytes]


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    async with Bus(bus_settings(redis_url)) as made:
        yield made


def archived(path: Path) -> Bodies:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT conversation_id, number, body FROM events").fetchall()
    return {(conversation, number): body for conversation, number, body in rows}


async def logged(bus: Bus) -> Bodies:
    out: Bodies = {}
    for key in await bus.commands.send("KEYS", "*:log:*"):
        conversation = key.decode().rpartition(":")[2]
        for entry_id, fields in await bus.commands.send("XRANGE", key, "-", "+"):
            out[conversation, int(entry_id.partition(b"-")[0])] = fields[1]
    return out


async def unkept(bus: Bus) -> int:
    """Events that the store has not acked: read or not."""
    (shard,) = await read_stats(bus)
    (group,) = [one for one in shard.groups if one.group == STORE_GROUP]
    return (group.lag or 0) + group.pending


async def test_a_store_killed_again_and_again_under_traffic_has_what_redis_has(
    redis_url: str, bus: Bus, tmp_path: Path
) -> None:
    path = tmp_path / "store.sqlite3"
    guests = [Guest(bus) for _ in range(20)]
    for number, guest in enumerate(guests):
        await guest.open(f"C-{number}")
    async with asyncio.timeout(300), store_process(redis_url, path) as store:
        for _ in range(3):
            writing = [asyncio.create_task(guest.note(40)) for guest in guests]
            had = len(archived(path))
            await eventually(lambda: _count(path), lambda count, had=had: count > had)  # type: ignore[misc]
            await store.kill()
            await asyncio.gather(*writing)
            await store.start()
        await eventually(lambda: unkept(bus), lambda count: count == 0)

        assert archived(path) == await logged(bus)
        assert len(archived(path)) == 20 * 121
        metrics = (await store.client.get("/metrics")).text
        assert 'outcome="stray"} 0.0' in metrics
        assert 'outcome="lost"} 0.0' in metrics


async def _count(path: Path) -> int:
    return len(archived(path))


async def test_with_its_disk_full_it_acks_nothing_that_it_did_not_keep(
    redis_url: str, bus: Bus, tmp_path: Path
) -> None:
    """A limit on the size of files, set from outside on the running process, is what a full disk looks like to it."""
    path = tmp_path / "store.sqlite3"
    guest = Guest(bus)
    async with asyncio.timeout(300), store_process(redis_url, path) as store:
        await guest.open()
        await eventually(lambda: stored(store.client), lambda number: number == 1)
        limit_files(store, 1)
        await guest.note(50)

        async def refused() -> bool:
            return "ArchiveUnavailable" in (await store.client.get("/readyz")).text

        assert await eventually(refused)
        assert await unkept(bus) == 50
        assert len(archived(path)) == 1
        assert (await store.client.get(f"/conversations/{guest.conversation_id}/events")).json()["complete"]

        limit_files(store, resource.RLIM_INFINITY)
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        assert archived(path) == await logged(bus)
        await eventually(store.ready)


def limit_files(store: StoreProcess, size: int) -> None:
    assert store.process
    resource.prlimit(store.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def test_with_its_database_locked_it_waits_and_acks_nothing(redis_url: str, bus: Bus, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    guest = Guest(bus)
    async with asyncio.timeout(300), running_store(redis_url, path) as client:
        await guest.open()
        await eventually(lambda: stored(client), lambda number: number == 1)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await guest.note(3)
            (keys,) = bus.shards
            await eventually(
                lambda: bus.commands.send("XPENDING", keys.events, STORE_GROUP), lambda reply: reply[0] > 0
            )
            assert await stored(client) == 1
            assert await unkept(bus) == 3
            other.execute("ROLLBACK")
        await eventually(lambda: unkept(bus), lambda count: count == 0)

        assert archived(path) == await logged(bus)


async def test_two_events_under_one_number_are_both_kept_and_told(
    redis_url: str, bus: Bus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis failed over to a replica that lacked the last writes: it gives their numbers out again."""
    path = tmp_path / "store.sqlite3"
    guest = Guest(bus)
    async with asyncio.timeout(300), running_store(redis_url, path) as client:
        await guest.open()
        await guest.note(1)
        await eventually(lambda: stored(client), lambda number: number == 2)
        before = archived(path)
        (keys,) = bus.shards
        conversation = guest.conversation_id
        await bus.commands.send("HSET", keys.conv(conversation), "n", 1)
        await bus.commands.send("DEL", keys.log(conversation))
        await guest.note(2)
        await eventually(lambda: stored(client), lambda number: number == 3)
        await eventually(lambda: unkept(bus), lambda count: count == 0)

        metrics = (await client.get("/metrics")).text
        assert 'botel_store_events_total{outcome="conflict"} 1.0' in metrics

    after = archived(path)
    now = await logged(bus)
    assert {place: after[place] for place in before} == before, "what was kept stays as it was"
    with contextlib.closing(sqlite3.connect(path)) as database:
        (aside,) = database.execute("SELECT body, reason FROM strays").fetchall()
    assert aside == (now[conversation, 2], "its number is taken by another event")
    assert after[conversation, 3] == now[conversation, 3]
    told = [record for record in caplog.records if "two events under one number" in record.message]
    assert [(record.conversation_id, record.number) for record in told] == [(conversation, 2)]  # type: ignore[attr-defined]


async def test_while_the_store_is_away_turns_are_taken_nothing_is_trimmed_and_the_lag_tells(
    redis_url: str, bus: Bus, tmp_path: Path
) -> None:
    """There is no cap: the events stream grows by what happens until the store is back, or Redis says no."""
    path = tmp_path / "store.sqlite3"
    guest = Guest(bus)
    async with asyncio.timeout(300), store_process(redis_url, path) as store:
        await guest.open()
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        await store.kill()
        await guest.note(2_000)

        (keys,) = bus.shards
        (shard,) = await read_stats(bus)
        (group,) = [one for one in shard.groups if one.group == STORE_GROUP]
        assert (group.lag, group.present) == (2_000, True)
        assert await bus.commands.send("XLEN", keys.events) >= 2_000
        await store.start()
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        await guest.note(300)
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        assert await bus.commands.send("XLEN", keys.events) < 1_000, "trimmed again, node by node"

    assert archived(path) == await logged(bus)
