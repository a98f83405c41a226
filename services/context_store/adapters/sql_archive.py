"""The archive on SQL: SQLite embedded (WAL), written so that PostgreSQL needs only its driver and a URL."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import event, literal, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.context_store.adapters.sql_batch import Batch
from services.context_store.adapters.sql_schema import (
    SCHEMA,
    archive_schema,
    conversations,
    events,
    metadata,
    retirements,
)
from services.context_store.domain.rows import Row, Stray
from services.context_store.ports import Added, ArchiveUnavailable, Due, Kept

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_BUSY_MS = 5_000


class SqlArchive:
    """Implements `Archive`. Made by `open_archive`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = _INSERTS[engine.dialect.name]

    async def add(self, rows: Sequence[Row], strays: Sequence[Stray]) -> Added:
        """See Archive."""
        async with self._begin() as connection:
            return await Batch(connection, self._insert).add(rows, strays)

    async def give_up(self, conversation_id: str, up_to: int) -> None:
        """See Archive."""
        table = conversations
        change = table.update().where(table.c.conversation_id == conversation_id, table.c.settled_to < up_to)
        async with self._begin() as connection:
            await connection.execute(change.values(settled_to=up_to))

    async def property_of(self, conversation_id: str) -> str | None:
        """See Archive."""
        query = select(conversations.c.property_id).where(conversations.c.conversation_id == conversation_id)
        async with self._begin() as connection:
            found = (await connection.execute(query)).scalar_one_or_none()
        return None if found is None else str(found)

    async def conversation(self, property_id: str, conversation_id: str) -> Kept | None:
        """See Archive."""
        table = conversations
        query = select(table).where(table.c.conversation_id == conversation_id, table.c.property_id == property_id)
        async with self._begin() as connection:
            found = (await connection.execute(query)).one_or_none()
        return _kept(found) if found else None

    async def conversations(
        self,
        property_id: str,
        *,
        limit: int,
        before: tuple[int, str] | None = None,
        customer_id: str = "",
        reservation_id: str = "",
    ) -> list[Kept]:
        """See Archive."""
        table = conversations
        query = select(table).where(table.c.property_id == property_id)
        if customer_id:
            query = query.where(table.c.customer_id == customer_id)
        if reservation_id:
            query = query.where(table.c.reservation_id == reservation_id)
        if before:
            query = query.where(tuple_(table.c.last_ms, table.c.conversation_id) < before)
        query = query.order_by(table.c.last_ms.desc(), table.c.conversation_id.desc()).limit(limit)
        async with self._begin() as connection:
            return [_kept(row) for row in await connection.execute(query)]

    async def rows(self, conversation_id: str, *, after: int, limit: int, kinds: Sequence[str] = ()) -> list[Row]:
        """See Archive."""
        query = select(events).where(events.c.conversation_id == conversation_id, events.c.number > after)
        if kinds:
            query = query.where(events.c.kind.in_(kinds))
        async with self._begin() as connection:
            found = await connection.execute(query.order_by(events.c.number).limit(limit))
            return [Row(**row._mapping) for row in found]

    async def due(self, *, before_ms: int, limit: int) -> list[Due]:
        """See Archive."""
        table, looked = conversations, retirements
        joined = table.outerjoin(looked, looked.c.conversation_id == table.c.conversation_id)
        fresh = select(table, literal(0).label("number")).select_from(joined).where(looked.c.conversation_id.is_(None))
        again = select(table, looked.c.number).join(looked, looked.c.conversation_id == table.c.conversation_id)
        again = again.where(looked.c.looked_ms < before_ms).order_by(looked.c.looked_ms)
        out: list[Due] = []
        async with self._begin() as connection:
            for query in (fresh, again):
                query = query.where(table.c.property_id != "").limit(limit - len(out))
                out += [Due(_kept(row), row.number) for row in await connection.execute(query)]
        return out

    async def looked_at(self, numbers: Mapping[str, int], now_ms: int) -> None:
        """See Archive."""
        values = [{"conversation_id": one, "looked_ms": now_ms, "number": number} for one, number in numbers.items()]
        if not values:
            return
        insert = self._insert(retirements).values(values)
        changed = {name: insert.excluded[name] for name in ("looked_ms", "number")}
        async with self._begin() as connection:
            await connection.execute(insert.on_conflict_do_update(index_elements=["conversation_id"], set_=changed))

    async def ping(self) -> None:
        """See Archive."""
        async with self._begin() as connection:
            await connection.execute(select(1))

    async def close(self) -> None:
        await self._engine.dispose()

    async def prepare(self) -> None:
        """Make the tables if they are not there. `ArchiveUnavailable` for an archive that a newer release made."""
        async with self._begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.execute(self._insert(archive_schema).values(version=SCHEMA).on_conflict_do_nothing())
            versions = (await connection.execute(select(archive_schema.c.version))).scalars().all()
        if max(versions) > SCHEMA:
            raise ArchiveUnavailable(f"this archive has schema {max(versions)}, this release knows up to {SCHEMA}")

    @contextlib.asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise ArchiveUnavailable(f"the database failed: {type(error).__name__}") from error


def _kept(row: Any) -> Kept:
    return Kept(**{name: value for name, value in row._mapping.items() if name in Kept.__struct_fields__})


def _sqlite_settings(connection: Any, _: Any) -> None:
    """WAL, so that readers never wait for the writer; FULL, because an acked event must outlive a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def open_archive(url: str) -> SqlArchive:
    """The archive at a SQLAlchemy URL (`sqlite+aiosqlite:///path`, `postgresql+asyncpg://...`), tables made.

    Raises `ArchiveUnavailable` when it cannot be opened, `ValueError` for a database of another kind.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() not in _INSERTS:
        raise ValueError(f"the archive is on SQLite or PostgreSQL, not {parsed.get_backend_name()}")
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(parsed)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _sqlite_settings)
    archive = SqlArchive(engine)
    try:
        await archive.prepare()
    except BaseException:
        await archive.close()
        raise
    return archive
