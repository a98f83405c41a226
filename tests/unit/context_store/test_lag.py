"""Stream lag as operators see it. Unknown is not zero."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from libs.bus.calls import CallCount
from libs.bus.stats import GroupStats, RedisMemory, ShardStats
from libs.contracts.errors import BusUnavailable
from services.context_store.lag import LagWatch, ShardLag, lag_table

LABELS = '{group="brain",shard="0",stream="turns"}'


def _shard(lag: int | None = 3, *, present: bool = True) -> ShardStats:
    group = GroupStats(
        stream="turns",
        group="brain",
        present=present,
        lag=lag,
        pending=2,
        oldest_waiting_ms=1_500,
        oldest_in_flight_ms=250,
        length=9,
        consumers=4,
    )
    return ShardStats(
        shard="0",
        groups=[group],
        workers_alive=2,
        dead_letters=1,
        turns_waiting=5,
        dead_letters_written=7,
        memory=RedisMemory(used=1_000, limit=4_000),
        calls=CallCount(3, 1),
    )


async def _told(*readings: Sequence[ShardLag] | Exception) -> str:
    left = list(readings)
    registry = CollectorRegistry()

    async def read() -> Sequence[ShardLag]:
        reading = left.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading

    watch = LagWatch(read, registry)
    for _ in readings:
        await watch.refresh()
    return generate_latest(registry).decode()


async def test_everything_that_is_known_is_told() -> None:
    text = await _told([_shard()])

    for name, value in (
        ("botel_group_lag", "3.0"),
        ("botel_group_lag_known", "1.0"),
        ("botel_group_pending", "2.0"),
        ("botel_group_oldest_waiting_seconds", "1.5"),
        ("botel_group_oldest_in_flight_seconds", "0.25"),
        ("botel_group_consumers", "4.0"),
        ("botel_group_present", "1.0"),
    ):
        assert f"{name}{LABELS} {value}\n" in text
    assert 'botel_turns_waiting{shard="0"} 5.0' in text
    assert 'botel_workers_alive{shard="0"} 2.0' in text
    assert 'botel_dead_letters{shard="0"} 1.0' in text
    assert 'botel_stream_length{shard="0",stream="turns"} 9.0' in text
    assert 'botel_dead_letters_written_total{shard="0"} 7.0' in text
    assert 'botel_redis_memory_used_bytes{shard="0"} 1000.0' in text
    assert 'botel_redis_memory_limit_bytes{shard="0"} 4000.0' in text
    assert 'botel_calls_active{shard="0",state="answered"} 3.0' in text
    assert 'botel_calls_active{shard="0",state="alone"} 1.0' in text
    assert "botel_streams_readable 1.0" in text


async def test_a_lag_that_redis_cannot_tell_has_no_sample() -> None:
    text = await _told([_shard(lag=None)])

    assert f"botel_group_lag{LABELS}" not in text
    assert f"botel_group_lag_known{LABELS} 0.0" in text
    assert f"botel_group_pending{LABELS} 2.0" in text


async def test_what_redis_does_not_tell_has_no_sample() -> None:
    silent = msgspec.structs.replace(_shard(), memory=None, dead_letters_written=None)
    text = await _told([silent])

    assert "botel_redis_memory_used_bytes{" not in text
    assert "botel_redis_memory_limit_bytes{" not in text
    assert "botel_dead_letters_written_total{" not in text
    assert 'botel_dead_letters{shard="0"} 1.0' in text


async def test_of_an_absent_group_only_its_absence_is_told() -> None:
    text = await _told([_shard(lag=None, present=False)])

    assert f"botel_group_present{LABELS} 0.0" in text
    assert [line for line in text.splitlines() if LABELS in line] == [
        f"botel_group_lag_known{LABELS} 0.0",
        f"botel_group_present{LABELS} 0.0",
    ]


@pytest.mark.parametrize("error", [BusUnavailable(), RuntimeError("a bug")], ids=["away", "bug"])
async def test_a_reading_that_fails_leaves_nothing_of_the_one_before(error: Exception) -> None:
    text = await _told([_shard()], error)

    assert "botel_group_lag{" not in text
    assert "botel_turns_waiting{" not in text
    assert "botel_lag_read_failed_total 1.0" in text
    assert "botel_streams_readable 0.0" in text


async def test_it_reads_again_and_again() -> None:
    readings = 0
    woken = asyncio.Event()

    async def read() -> Sequence[ShardLag]:
        nonlocal readings
        readings += 1
        if readings == 3:
            woken.set()
        return [_shard()]

    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    running = asyncio.create_task(LagWatch(read, CollectorRegistry(), sleep=at_once).run())
    async with asyncio.timeout(5):
        await woken.wait()
    running.cancel()


def test_the_table_has_null_for_unknown() -> None:
    (shard,) = lag_table([_shard(lag=None)])

    assert shard["groups"][0]["lag"] is None
    assert shard["groups"][0]["oldestWaitingMs"] == 1_500
    assert (shard["turnsWaiting"], shard["workersAlive"], shard["deadLetters"]) == (5, 2, 1)
    assert (shard["deadLettersWritten"], shard["calls"]) == (7, {"answered": 3, "alone": 1})
    assert shard["memory"] == {"used": 1_000, "limit": 4_000}
