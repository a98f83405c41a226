"""Following the events streams as a group: the context store's side of the bus. At least once; the reader dedups."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from libs.bus.bus import Bus
from libs.bus.dead import Kind, reject
from libs.bus.link import LinkDown
from libs.bus.loops import Loop
from libs.bus.reader import Entry, Reader
from libs.contracts.codec import decode
from libs.contracts.errors import BotelError, BusDenied, BusUnavailable, MalformedMessage
from libs.contracts.events import AnyEvent
from libs.contracts.keys import EVENT_GROUPS, Keys

_log = logging.getLogger(__name__)
_BATCH = 256
_ADOPT_AFTER_MS = 30_000


class Record(msgspec.Struct, frozen=True):
    """One event as it stands on the stream. `event` is None when it does not decode; `reason` says why."""

    conversation_id: str
    number: int
    body: bytes
    event: AnyEvent | None
    reason: str = ""


Sink = Callable[[Sequence[Record]], Awaitable[None]]
"""Keeps a batch durably; the batch is acked when it returns, and comes again when it raises. An empty one says,
after a failure, that another consumer of the group has taken what failed."""


class EventConsumer:
    """Reads every shard's events for one group. `run` until cancelled.

    What another consumer of the group left unacked for `adopt_after_ms` is taken over.
    """

    def __init__(
        self, bus: Bus, group: str, consumer: str, sink: Sink, *, adopt_after_ms: int = _ADOPT_AFTER_MS
    ) -> None:
        self._bus, self._group, self._consumer, self._sink = bus, group, consumer, sink
        self._adopt_after_ms = adopt_after_ms
        self._failed: set[str] = set()
        """Streams whose last batch the sink has not taken."""
        self._loops = [Loop(partial(self._consume, keys), f"{group} {keys.prefix}") for keys in bus.shards]

    @property
    def healthy(self) -> bool:
        """Whether no shard's loop fails again and again."""
        return all(loop.healthy for loop in self._loops)

    async def run(self) -> None:
        """Consume until cancelled; connection failures are waited out, a failing sink is tried again."""
        await asyncio.gather(*(loop.run() for loop in self._loops))

    async def _consume(self, keys: Keys) -> None:
        await self._ensure_group(keys)
        reader, pending, adopted = self._bus.reader(self._group, keys), True, 0.0
        try:
            while True:
                fresh = not reader.connected
                await reader.connect()
                if fresh:
                    await self._bus.recount(keys.events, self._group)
                if fresh or time.monotonic() > adopted + self._adopt_after_ms / 1000:
                    pending = await self._adopt(keys) or fresh or pending
                    adopted = time.monotonic()
                pending = await self._step(reader, keys, pending)
        finally:
            await reader.close()

    async def _step(self, reader: Reader, keys: Keys, pending: bool) -> bool:
        """One batch: own pending entries first, then new ones. Answers whether there may be more pending."""
        try:
            entries = await reader.read_group(
                self._group, self._consumer, keys.events, _BATCH, after="0" if pending else ">"
            )
        except LinkDown:
            return pending
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            _log.error("group is gone, made again from the start", extra={"stream": keys.events})
            await self._ensure_group(keys)
            return pending
        if not entries and keys.events not in self._failed:
            return False
        try:
            await (self._handle(keys, entries) if entries else self._sink([]))
        except BusDenied:  # waiting does not help
            self._failed.add(keys.events)
            raise
        except (BotelError, OSError) as error:
            # Of the sink's own errors the typed ones say all there is: a database may be away for hours.
            _log.warning("batch comes again", extra={"reason": str(error)})
            self._failed.add(keys.events)
            await asyncio.sleep(0.2 if isinstance(error, (BusUnavailable, OSError)) else 1.0)
            return True
        except Exception:
            _log.exception("sink failed, batch comes again")
            self._failed.add(keys.events)
            await asyncio.sleep(1.0)
            return True
        self._failed.discard(keys.events)
        return pending and bool(entries)

    async def _handle(self, keys: Keys, entries: Sequence[Entry]) -> None:
        records: list[Record] = []
        unreadable: list[tuple[Entry, str]] = []
        for entry in entries:
            try:
                record = _record(entry)
            except MalformedMessage as error:
                unreadable.append((entry, error.detail))
                continue
            records.append(record)
            if record.reason:
                unreadable.append((entry, record.reason))
        await self._sink(records)
        for entry, reason in unreadable:
            await reject(self._bus, keys, Kind.EVENT, entry.id, entry.fields, reason, self._group, self._consumer)
        await self._bus.commands.send("XACK", keys.events, self._group, *(entry.id for entry in entries))
        reply = await self._bus.commands.call("trim", [keys.events, keys.dropped], EVENT_GROUPS)
        if reply[0] == b"absent":
            _log.error("declared group is absent, nothing is trimmed", extra={"group": reply[1].decode()})

    async def _ensure_group(self, keys: Keys) -> None:
        while True:
            try:
                await self._bus.ensure_group(keys.events, self._group)
            except BusDenied:
                raise
            except BusUnavailable as error:
                _log.warning("group not made yet", extra={"reason": error.detail})
                await asyncio.sleep(0.2)
            else:
                return

    async def _adopt(self, keys: Keys) -> bool:
        """Take over what a consumer that is gone had read and not acked; whether there was anything."""
        cursor: Any = b"0-0"
        adopted = False
        with contextlib.suppress(BusUnavailable, ResponseError):  # NOGROUP: the next read makes it again
            while True:
                cursor, ids, *_ = await self._bus.commands.send(
                    "XAUTOCLAIM",
                    keys.events,
                    self._group,
                    self._consumer,
                    self._adopt_after_ms,
                    cursor,
                    "COUNT",
                    100,
                    "JUSTID",
                )
                adopted = adopted or bool(ids)
                if cursor == b"0-0":
                    break
        return adopted


def _record(entry: Entry) -> Record:
    try:
        conversation, number, body = entry.fields[b"c"].decode(), int(entry.fields[b"n"]), entry.fields[b"b"]
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"events entry: {type(error).__name__}: {error}") from error
    try:
        return Record(conversation, number, body, decode(body, number))
    except MalformedMessage as error:
        return Record(conversation, number, body, None, error.detail)
