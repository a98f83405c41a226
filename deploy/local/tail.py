"""`make tail`: turns, chunks, events, cancels and dead letters, decoded as they pass. Shows what guests say."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable

from pydantic import SecretStr

from deploy.local.address import redis_address
from deploy.local.tool import run
from libs.bus.bus import Bus
from libs.bus.link import LinkDown
from libs.bus.reader import Entry
from libs.bus.settings import BusSettings
from libs.contracts import events
from libs.contracts.chunks import EventCopy, decode_chunk
from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.keys import Keys

COUNT = 256
MAX_TEXT_CHARS = 160


def describe(entry: Entry) -> str:
    """One line for an entry, '' for one that repeats another stream's."""
    kind = entry.stream.partition("}:")[2].partition(":")[0]
    try:
        return KINDS[kind](entry)
    except (MalformedMessage, KeyError, ValueError) as error:
        return _line(kind, "?", "?", f"does not decode: {type(error).__name__}: {_quoted(str(error))}")


def _turn(entry: Entry) -> str:
    fields = entry.fields
    return _line("turn", fields[b"c"].decode(), fields[b"t"].decode(), "waits for a brain")


def _event(entry: Entry) -> str:
    number = int(entry.fields[b"n"])
    event = decode(entry.fields[b"b"], number)
    return _line("event", event.conversation_id, event.turn_id, f"{number} {kind_of(event)} {_gist(event)}")


def _chunk(entry: Entry) -> str:
    chunk = decode_chunk(entry.fields)
    if isinstance(chunk, EventCopy):
        return ""
    gateway = entry.stream.rpartition(":")[2][-12:]
    end = f" end: {chunk.end.value}" if chunk.end else ""
    text = f"to {gateway} epoch {chunk.epoch} at {chunk.offset} {_quoted(chunk.text)}{end}"
    return _line("chunk", chunk.conversation_id, chunk.turn_id, text)


def _cancel(entry: Entry) -> str:
    owner = entry.fields[b"w"].decode() or "nobody"
    return _line("cancel", entry.fields[b"c"].decode(), entry.fields[b"t"].decode(), f"runs at {owner}")


def _dead(entry: Entry) -> str:
    fields = entry.fields
    turn = fields.get(b"m", b"-").decode().partition(" ")[0]  # an entry that could not be read is of no turn
    return _line("dead", fields.get(b"c", b"-").decode(), turn, _quoted(fields[b"why"].decode()))


KINDS: dict[str, Callable[[Entry], str]] = {
    "turns": _turn,
    "events": _event,
    "chunks": _chunk,
    "cancels": _cancel,
    "dead": _dead,
}


def kind_of(event: events.AnyEvent) -> str:
    """The event's name on the wire."""
    return str(type(event).__struct_config__.tag)


def _gist(event: events.AnyEvent) -> str:
    who = f"{event.author.value}/{event.channel.value}"
    match event:
        case events.ReplyGenerated():
            return f"{who} {event.status.value} {_quoted(event.text)}"
        case events.ReplyHeard():
            return f"{who} {'whole' if event.complete else 'cut'} {_quoted(event.text)}"
        case events.ToolRequested():
            return f"{event.name} {_quoted(event.arguments)}"
        case events.ToolCompleted():
            return f"{event.name} {'ok' if event.ok else 'failed'} {_quoted(event.result)}"
        case events.MessageReceived() | events.SummaryWritten():
            return f"{who} {_quoted(event.text)}"
        case _:
            return who


def _quoted(text: str) -> str:
    """In quotes, cut, and with control characters escaped: a terminal obeys some."""
    return json.dumps(text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "...", ensure_ascii=False)


def _line(kind: str, conversation_id: str, turn_id: str, text: str) -> str:
    return f"{kind:<7}{conversation_id[-12:]:<13}{turn_id[-12:]:<13}{text}"


class StreamTail:
    """What is appended to the streams of a bus from `begin` on. Outlives a restart of Redis."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._reader = bus.reader("tail")
        self._after: dict[str, str] = {}

    async def begin(self) -> None:
        """Note where every stream ends now."""
        for keys in self._bus.shards:
            fixed = (keys.turns, keys.events, keys.cancels, keys.dead)
            for stream in (*fixed, *await self._chunk_streams(keys)):
                self._after[stream] = await self._end_of(stream)

    async def lines(self) -> AsyncIterator[str]:
        try:
            while True:
                for entry in await self._read():
                    self._after[entry.stream] = entry.id
                    if line := describe(entry):
                        yield line
        finally:
            await self._reader.close()

    async def _read(self) -> list[Entry]:
        for keys in self._bus.shards:
            for stream in await self._chunk_streams(keys):
                # Of a gateway that came after `begin`, everything is new.
                self._after.setdefault(stream, "0-0")
        await self._reader.connect()
        with contextlib.suppress(LinkDown):
            return await self._reader.read(self._after, COUNT)
        return []

    async def _chunk_streams(self, keys: Keys) -> list[str]:
        cursor, found = b"0", list[str]()
        while True:
            cursor, names = await self._bus.commands.send("SCAN", cursor, "MATCH", keys.chunks("*"), "COUNT", 1_000)
            found += [name.decode() for name in names]
            if cursor == b"0":
                return found

    async def _end_of(self, stream: str) -> str:
        entries = await self._bus.commands.send("XREVRANGE", stream, "+", "-", "COUNT", 1)
        return entries[0][0].decode() if entries else "0-0"


async def show(redis_url: str) -> None:
    """Print until interrupted. `BusUnavailable` when Redis is away for longer than a command may wait."""
    async with Bus(BusSettings(redis_url=SecretStr(redis_url)), name="tail") as bus:
        tail = StreamTail(bus)
        await tail.begin()
        print(f"{'kind':<7}{'conversation':<13}{'turn':<13}what", flush=True)
        async for line in tail.lines():
            print(line, flush=True)


def main() -> int:
    return run(lambda: show(redis_address()))


if __name__ == "__main__":
    sys.exit(main())
