"""What the context store does with SQLite and with PostgreSQL: taking events from a real stream, giving history back.

Consumer, ingest, archive and history are the store's own, in this process, on servers of their own.
"""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr
from sqlalchemy import Engine, event, text

from benchmarks.figures import Percentiles
from benchmarks.work import PROPERTY, message, now_ms, reply
from libs.bus.bus import Bus
from libs.bus.events import EventConsumer
from libs.bus.settings import BusSettings
from libs.contracts.codec import encode
from libs.contracts.events import AnyEvent, Author, Channel, ConversationOpened
from libs.contracts.keys import STORE_GROUP
from services.context_store.adapters.bus_live import BusConversations
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.adapters.sql_engine import POSTGRES, SQLITE, Database, new_engine
from services.context_store.domain.rows import Row, row_of
from services.context_store.history import History
from services.context_store.ingest import Ingest
from tests.eventually import eventually
from tests.servers.postgres import PostgresServer

_FILL_AT_ONCE = 5_000
_EVENTS_EACH = 10


class Size(msgspec.Struct, frozen=True):
    ingest: int = 40_000
    """Events on the stream."""
    guests: int = 400
    """Conversations that they are of, in turns."""
    archived: int = 1_000_000
    """Events that are there already, ten to a conversation."""
    reads: int = 1_000
    rounds: int = 3


QUICK = Size(ingest=600, guests=20, archived=2_000, reads=20, rounds=1)


class Taken(msgspec.Struct, frozen=True):
    per_s: float
    cpu_us: float
    """Processor microseconds of the store for each event; the database's are its own on PostgreSQL."""


class Round(msgspec.Struct, frozen=True):
    taken: Taken
    reads: dict[str, Percentiles]
    """Milliseconds, by what is read."""


@contextmanager
def databases(folder: Path, server: PostgresServer) -> Iterator[dict[str, Database]]:
    """One of each kind, empty."""
    with server.database() as name:
        yield {
            SQLITE: Database(url=f"sqlite+aiosqlite:///{folder / 'store.sqlite3'}"),
            POSTGRES: Database(url=server.url(name)),
        }


def talk(conversation_id: str, count: int, customer_id: str = "") -> list[AnyEvent]:
    """A conversation of so many events, numbered."""
    opened = ConversationOpened(
        id=f"{conversation_id}.0",
        time_ms=now_ms(),
        property_id=PROPERTY,
        conversation_id=conversation_id,
        author=Author.SYSTEM,
        channel=Channel.TEXT,
        customer_id=customer_id,
    )
    events: list[AnyEvent] = [opened]
    while len(events) < count:
        asked = message(conversation_id)
        events += [asked, reply(asked, "Breakfast is served from seven to ten in the garden room. " * 4)]
    return [msgspec.structs.replace(one, number=number) for number, one in enumerate(events[:count], 1)]


def _row(one: AnyEvent) -> Row:
    row = row_of(one.conversation_id, one.number, encode(msgspec.structs.replace(one, number=0)))
    assert isinstance(row, Row)
    return row


async def fill(database: Database, size: Size) -> None:
    """What a hotel has after a while; PostgreSQL has looked at its tables since, as its autovacuum does."""
    archive = await open_archive(database)
    rows: list[Row] = []
    for guest in range(size.archived // _EVENTS_EACH):
        rows += map(_row, talk(f"old-{guest}", _EVENTS_EACH, f"C-{guest}"))
        if len(rows) >= _FILL_AT_ONCE:
            await archive.add(rows, [])
            rows = []
    await archive.add(rows, [])
    ids = [f"old-{guest}" for guest in range(size.archived // _EVENTS_EACH)]
    for at in range(0, len(ids), _FILL_AT_ONCE):
        await archive.looked_at(dict.fromkeys(ids[at : at + _FILL_AT_ONCE], _EVENTS_EACH), now_ms())
    await archive.close()
    if database.kind == POSTGRES:
        engine = new_engine(database, patient=True).execution_options(isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
        await engine.dispose()


@asynccontextmanager
async def _opened(database: Database, redis_url: str) -> AsyncIterator[tuple[Bus, SqlArchive, BusConversations]]:
    archive = await open_archive(database)
    async with Bus(BusSettings(redis_url=SecretStr(redis_url))) as bus:
        yield bus, archive, BusConversations(bus, tail_timeout_ms=1_000)
    await archive.close()


async def one_round(database: Database, redis_url: str, size: Size, seed: int) -> Round:
    """Redis is empty before."""
    async with _opened(database, redis_url) as (bus, archive, live):
        taken = await _take(bus, archive, live, size, seed)
        reads = await _read(archive, History(archive, live), size, random.Random(seed))
    return Round(taken, reads)


async def _take(bus: Bus, archive: SqlArchive, live: BusConversations, size: Size, seed: int) -> Taken:
    (keys,) = bus.shards
    each = size.ingest // size.guests
    talks = [talk(f"new-{seed}-{guest}", each, f"N-{guest}") for guest in range(size.guests)]
    await bus.ensure_group(keys.events, STORE_GROUP)
    for turn in zip(*talks, strict=True):
        sent = [
            bus.commands.send("XADD", keys.events, "*", "c", one.conversation_id, "n", one.number, "b", _row(one).body)
            for one in turn
        ]
        for future in sent:
            await future
    count = size.guests * each
    kept: list[AnyEvent] = []
    sink = Ingest(archive, live, on_event=kept.append, on_batch=lambda tally: None)
    began, cpu = time.perf_counter(), _cpu_s()

    async def pending() -> int:
        return int((await bus.commands.send("XPENDING", keys.events, STORE_GROUP))[0])

    async with _running(EventConsumer(bus, STORE_GROUP, "bench", sink).run):
        await eventually(lambda: _value(len(kept)), lambda number: number >= count, within_s=600)
        await eventually(pending, lambda number: number == 0)
        took, cpu = time.perf_counter() - began, _cpu_s() - cpu
    assert len(kept) == count
    return Taken(count / took, cpu / count * 1e6)


async def _value(number: int) -> int:
    return number


@asynccontextmanager
async def _running(work: Callable[[], Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(work())
    yield
    task.cancel()
    await asyncio.wait({task})


async def _read(archive: SqlArchive, history: History, size: Size, chance: random.Random) -> dict[str, Percentiles]:
    old = [f"old-{chance.randrange(size.archived // _EVENTS_EACH)}" for _ in range(size.reads)]
    works: dict[str, Callable[[str], Awaitable[Any]]] = {
        f"history of {_EVENTS_EACH} events": lambda one: history.messages(PROPERTY, one),
        "page of 50 conversations": lambda one: archive.conversations(
            PROPERTY, limit=50, before=(now_ms() - chance.randrange(10_000), one)
        ),
        "conversations of a customer": lambda one: archive.conversations(
            PROPERTY, limit=50, customer_id=one.replace("old", "C")
        ),
        "due for retirement": lambda one: archive.due(before_ms=1, limit=200),
    }
    return {name: await _timed(work, old) for name, work in works.items()}


async def _timed(work: Callable[[str], Awaitable[Any]], ids: Sequence[str]) -> Percentiles:
    took = []
    for one in ids:
        began = time.perf_counter()
        await work(one)
        took.append((time.perf_counter() - began) * 1_000)
    return Percentiles.of(took)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def plans(database: Database, size: Size) -> dict[str, list[str]]:
    """How each query of the archive is carried out, as the database says, by what is asked."""
    archive = await open_archive(database)
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    one = f"old-{size.archived // _EVENTS_EACH // 2}"
    rows = [_row(event) for event in talk(one, 3)]
    works: dict[str, Callable[[], Awaitable[Any]]] = {
        "rows of a conversation": lambda: archive.rows(one, after=3, limit=500),
        "context events": lambda: archive.rows(one, after=0, limit=500, kinds=("conversation.opened",)),
        "conversation": lambda: archive.conversation(PROPERTY, one),
        "page of conversations": lambda: archive.conversations(PROPERTY, limit=50, before=(now_ms(), one)),
        "of a customer": lambda: archive.conversations(PROPERTY, limit=50, customer_id="C-7"),
        "of a reservation": lambda: archive.conversations(PROPERTY, limit=50, reservation_id="R-7"),
        "due": lambda: archive.due(before_ms=1, limit=200),
        "batch that comes again": lambda: archive.add(rows, []),
    }
    await archive.ping()
    told: dict[str, list[str]] = {}
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for name, work in works.items():
            asked.clear()
            await work()
            for statement, parameters in [one for one in asked if one[0].startswith(("SELECT", "WITH"))]:
                told.setdefault(name, []).extend(await _explain(database, statement, parameters))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        await archive.close()
    return told


async def _explain(database: Database, statement: str, parameters: Any) -> list[str]:
    how = "EXPLAIN QUERY PLAN " if database.kind == SQLITE else "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY ON) "
    engine = new_engine(database, patient=True)
    async with engine.connect() as connection:
        found = (await connection.exec_driver_sql(how + statement, parameters)).all()
    await engine.dispose()
    return [str(row[-1]) for row in found]
