"""What the auditor is given: what clients received, both logs, the hotel, and what is left over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.keys import STORE_GROUP, TURN_GROUP, Keys
from tests.chaos import hotel
from tests.chaos.guests import pause
from tests.chaos.hotel import Booked
from tests.chaos.transcript import Record, Transcript

_PAGE = 500
History = list[dict[str, Any]]


class Evidence(msgspec.Struct, kw_only=True):
    """All of it plain data, so that a test can damage it."""

    received: list[Record]
    hot: dict[str, History]
    """Events by conversation, from Redis."""
    stored: dict[str, History]
    """The same from the store's API."""
    bookings: list[Booked]
    leftovers: list[str]
    """Things in Redis that should not be there after the last turn."""
    orphans: list[str] = msgspec.field(default_factory=list)
    """Processes that outlived the stack."""


async def settle(redis: Any, over: asyncio.Event, seconds: float) -> None:
    """Wait until nothing waits, runs or is recorded any more; what still does after that is found as a leftover."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            before, last = b"", await _last_event(redis)
            while before != last or await leftovers(redis):
                await pause(over, 1.5)
                before, last = last, await _last_event(redis)


async def collect(
    redis: Any, session: aiohttp.ClientSession, store_url: str, key: str, file: Path, transcript: Transcript
) -> Evidence:
    """Read everything that outlives the run."""
    names = sorted(await _conversations(redis))
    return Evidence(
        received=transcript.records,
        hot={name: await _hot(redis, name) for name in names},
        stored={name: await _stored(session, store_url, key, name) for name in names},
        bookings=hotel.bookings(file),
        leftovers=await leftovers(redis),
    )


async def leftovers(redis: Any) -> list[str]:
    """Turns that wait or run, entries unread or pending, drafts, dead letters, workers that hold something."""
    keys, found = Keys(), []
    for stream, group in ((keys.turns, TURN_GROUP), (keys.events, STORE_GROUP)):
        infos = [info for info in await redis.xinfo_groups(stream) if info["name"].decode() == group]
        busy = [info for info in infos if info["lag"] != 0 or info["pending"]]
        found += [f"{stream}: lag {info['lag']}, pending {info['pending']}" for info in busy]
    found += [f"dead letter: {fields.get(b'why', b'').decode()}" for _, fields in await redis.xrange(keys.dead)]
    seconds, micros = await redis.time()
    now = seconds * 1000 + micros // 1000
    leases = await redis.zrange(keys.leases, 0, -1, withscores=True)
    found += [f"lease of {worker.decode()}, which ran out" for worker, expiry in leases if expiry <= now]
    for pattern in ("mail:*", "draft:*", "owned:*"):
        found += [name.decode() async for name in redis.scan_iter(match=keys.prefix + pattern, count=1000)]
    for name in await _conversations(redis):
        state = await redis.hget(keys.conv(name), "st")
        if state != b"idle":
            found.append(f"{name} is {state!r}")
    return found


async def _last_event(redis: Any) -> bytes:
    """Ends of calls come a little after the last turn."""
    info = await redis.xinfo_stream(Keys().events)
    return bytes(info["last-generated-id"])


async def _conversations(redis: Any) -> set[str]:
    prefix = Keys().conv("")
    return {name.decode().removeprefix(prefix) async for name in redis.scan_iter(match=prefix + "*", count=1000)}


async def _hot(redis: Any, conversation: str) -> History:
    entries = await redis.xrange(Keys().log(conversation))
    return [_event(fields[b"b"], int(entry.partition(b"-")[0])) for entry, fields in entries]


def _event(body: bytes, number: int) -> dict[str, Any]:
    try:
        event: dict[str, Any] = msgspec.to_builtins(decode(body, number))
    except MalformedMessage as error:
        return {"type": "malformed", "number": number, "id": "", "reason": error.detail}
    return event


async def _stored(session: aiohttp.ClientSession, url: str, key: str, conversation: str) -> History:
    events: History = []
    headers, after = {"Authorization": f"Bearer {key}"}, 0
    while True:
        page = f"{url}/conversations/{conversation}/events?limit={_PAGE}&after={after}"
        async with session.get(page, headers=headers) as response:
            if response.status != 200:
                return events
            body = await response.json()
        events += body["events"]
        if not body["next"]:
            return events
        after = body["next"]


def orphans(marker: str) -> list[str]:
    """Processes whose environment bears the run's marker."""
    return [path.parent.name for path in _environs() if marker.encode() in _read(path)]


def _environs() -> Iterable[Path]:
    return Path("/proc").glob("[0-9]*/environ")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
