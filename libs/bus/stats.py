"""What operators see of the queues: lag, waiting turns, ages, turns in flight, brains alive. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from libs.bus.bus import Bus
from libs.bus.calls import CallCount, Calls
from libs.contracts.errors import BusDenied
from libs.contracts.keys import EVENT_GROUPS, TURN_GROUP, Keys

_MAX_COUNTED = 1_000
"""Conversations whose mailboxes are counted in one reading."""


class GroupStats(msgspec.Struct, frozen=True, kw_only=True):
    """One declared group on one stream. Ages are milliseconds by Redis's clock; 0 when there is nothing."""

    stream: str
    group: str
    present: bool
    """False: the group does not exist; nothing else is known."""
    lag: int | None
    """Entries that nobody has read; None when Redis cannot tell. Unknown is not zero."""
    pending: int = 0
    """Entries read and not acked: on `turns`, conversations being answered."""
    oldest_waiting_ms: int = 0
    oldest_in_flight_ms: int = 0
    length: int = 0
    consumers: int = 0


class RedisMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Of the server that holds a shard, in bytes."""

    used: int
    limit: int
    """What it may take: `maxmemory`, or all that its machine has when that is not set."""


class ShardStats(msgspec.Struct, frozen=True, kw_only=True):
    shard: str
    groups: list[GroupStats]
    workers_alive: int
    dead_letters: int
    """Those that are kept."""
    dead_letters_written: int | None = None
    """Ever, those that were replayed, discarded or trimmed included; None when Redis does not tell."""
    memory: RedisMemory | None = None
    """None when Redis does not tell: its user may not ask, say."""
    calls: CallCount = CallCount(0, 0)
    """Calls in rooms: those with a live lease, and those that nobody answers."""
    turns_waiting: int = 0
    """Turns accepted and not begun, those behind the head of a mailbox included; of the first conversations only."""


async def read_stats(bus: Bus) -> list[ShardStats]:
    """Every declared group of every shard. `BusUnavailable` when Redis does not answer."""
    return list(await asyncio.gather(*(_shard(bus, keys) for keys in bus.shards)))


async def _shard(bus: Bus, keys: Keys) -> ShardStats:
    clock = await bus.at(keys).send("TIME")
    now = int(clock[0]) * 1000 + int(clock[1]) // 1000
    wanted = [(keys.turns, TURN_GROUP), *((keys.events, group) for group in EVENT_GROUPS)]
    groups = await asyncio.gather(*(_group(bus, stream, group, now) for stream, group in wanted))
    alive, dead, waiting, written, memory, calls = await asyncio.gather(
        bus.commands.send("ZCOUNT", keys.leases, now, "+inf"),
        bus.commands.send("XLEN", keys.dead),
        _turns_waiting(bus, keys),
        _ever_added(bus, keys.dead),
        _memory(bus, keys),
        Calls(bus).count_in(keys),
    )
    return ShardStats(
        shard=keys.prefix,
        groups=list(groups),
        workers_alive=alive,
        dead_letters=dead,
        turns_waiting=waiting,
        dead_letters_written=written,
        memory=memory,
        calls=calls,
    )


async def _ever_added(bus: Bus, stream: str) -> int | None:
    """Entries that a stream was ever given: a count that no trimming and no deletion takes back."""
    try:
        info = _fields(await bus.commands.send("XINFO", "STREAM", stream))
    except BusDenied:
        return None
    except ResponseError as error:
        return 0 if "no such key" in str(error) else None
    return int(info["entries-added"])


async def _memory(bus: Bus, keys: Keys) -> RedisMemory | None:
    try:
        told = await bus.at(keys).send("INFO", "memory")
        lines = (line.partition(b":") for line in told.splitlines())
        info = {name.decode(): int(value) for name, _, value in lines if value.isdigit()}
        return RedisMemory(used=info["used_memory"], limit=info["maxmemory"] or info["total_system_memory"])
    except (BusDenied, ResponseError, KeyError):
        return None


async def _turns_waiting(bus: Bus, keys: Keys) -> int:
    """The mailboxes of all activated conversations, less the heads that are being answered."""
    entries = await bus.commands.send("XRANGE", keys.turns, "-", "+", "COUNT", _MAX_COUNTED)
    ids = {fields[1].decode(errors="replace") for _, fields in entries if fields[0] == b"c"}
    states = await asyncio.gather(*(bus.commands.send("HGET", keys.conv(one), "st") for one in ids))
    depths = await asyncio.gather(*(bus.commands.send("LLEN", keys.mail(one)) for one in ids))
    return waiting_turns(zip(depths, states, strict=True))


def waiting_turns(mailboxes: Iterable[tuple[int, bytes | None]]) -> int:
    """Of depths and states that were not read at one moment: a turn that has been committed in between, after its
    conversation was seen running, is not less than none."""
    return sum(max(0, depth - (state == b"running")) for depth, state in mailboxes)


async def _group(bus: Bus, stream: str, group: str, now: int) -> GroupStats:
    try:
        infos = [_fields(info) for info in await bus.commands.send("XINFO", "GROUPS", stream)]
    except ResponseError:  # the stream does not exist yet
        infos = []
    info = next((one for one in infos if one["name"] == group.encode()), None)
    if info is None:
        return GroupStats(stream=stream, group=group, present=False, lag=None)
    delivered = info["last-delivered-id"].decode()
    length, pending, waiting = await asyncio.gather(
        bus.commands.send("XLEN", stream),
        bus.commands.send("XPENDING", stream, group, "-", "+", 1),
        bus.commands.send("XRANGE", stream, f"({delivered}", "+", "COUNT", 1),
    )
    return GroupStats(
        stream=stream,
        group=group,
        present=True,
        lag=info.get("lag"),
        pending=info["pending"],
        consumers=info["consumers"],
        length=length,
        oldest_waiting_ms=_age(waiting[0][0], now) if waiting else 0,
        oldest_in_flight_ms=_age(pending[0][0], now) if pending else 0,
    )


def _fields(info: list[Any]) -> dict[str, Any]:
    return {name.decode(): value for name, value in zip(info[::2], info[1::2], strict=True)}


def _age(entry_id: bytes, now: int) -> int:
    return max(0, now - int(entry_id.partition(b"-")[0]))
