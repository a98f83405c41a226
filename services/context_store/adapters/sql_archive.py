"""The archive on SQL: SQLite embedded, or PostgreSQL. The same statements on both; sql_engine knows what differs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.web.api_keys import ConfigurationError
from services.context_store.adapters.sql_batch import Batch
from services.context_store.adapters.sql_engine import SQLITE, Database, new_engine
from services.context_store.adapters.sql_erasure import erase
from services.context_store.adapters.sql_schema import conversations, events, retirements
from services.context_store.adapters.sql_versions import bring_up_to_date
from services.context_store.domain.rows import Row, Stray
from services.context_store.ports import Added, ArchiveRefused, ArchiveUnavailable, Due, Kept

_log = logging.getLogger(__name__)
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Between attempts to reach a database that was not there at the start."""
T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]


class SqlArchive:
    """Implements `Archive`. Made by `open_archive`.

    Every piece of work takes effect once however often it is done, so one whose connection turns out to be dead is
    done again on a fresh one: a database that was restarted meanwhile costs nobody an error.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = new_engine(database)
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        """Spares PostgreSQL two round trips for each query."""
        self._insert = _INSERTS[self._engine.dialect.name]
        self._prepared = False
        self._attempt = asyncio.Lock()
        self._failures = 0
        self._not_before = 0.0

    async def add(self, rows: Sequence[Row], strays: Sequence[Stray]) -> Added:
        """See Archive."""
        return await self._write(lambda connection: Batch(connection, self._insert).add(rows, strays))

    async def give_up(self, conversation_id: str, up_to: int) -> None:
        """See Archive."""
        table = conversations
        change = table.update().where(table.c.conversation_id == conversation_id, table.c.settled_to < up_to)
        await self._write(lambda connection: connection.execute(change.values(settled_to=up_to)))

    async def property_of(self, conversation_id: str) -> str | None:
        """See Archive."""
        query = select(conversations.c.property_id).where(conversations.c.conversation_id == conversation_id)
        found = await self._read(query)
        return str(found[0].property_id) if found else None

    async def conversation(self, property_id: str, conversation_id: str) -> Kept | None:
        """See Archive."""
        table = conversations
        query = select(table).where(table.c.conversation_id == conversation_id, table.c.property_id == property_id)
        found = await self._read(query)
        return _kept(found[0]) if found else None

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
        return [_kept(row) for row in await self._read(query)]

    async def rows(self, conversation_id: str, *, after: int, limit: int, kinds: Sequence[str] = ()) -> list[Row]:
        """See Archive."""
        query = select(events).where(events.c.conversation_id == conversation_id, events.c.number > after)
        if kinds:
            query = query.where(events.c.kind.in_(kinds))
        return [Row(**row._mapping) for row in await self._read(query.order_by(events.c.number).limit(limit))]

    async def due(self, *, before_ms: int, limit: int) -> list[Due]:
        """See Archive."""
        table, looked = conversations, retirements
        query = select(table, looked.c.number).join(looked, looked.c.conversation_id == table.c.conversation_id)
        query = query.where(looked.c.looked_ms < before_ms, table.c.property_id != "")
        found = await self._read(query.order_by(looked.c.looked_ms).limit(limit))
        return [Due(_kept(row), row.number) for row in found]

    async def looked_at(self, numbers: Mapping[str, int], now_ms: int) -> None:
        """See Archive."""
        values = [{"conversation_id": one, "looked_ms": now_ms, "number": numbers[one]} for one in sorted(numbers)]
        if not values:
            return
        insert = self._insert(retirements)
        changed = {name: insert.excluded[name] for name in ("looked_ms", "number")}
        upsert = insert.on_conflict_do_update(index_elements=["conversation_id"], set_=changed)
        await self._write(lambda connection: connection.execute(upsert, values))

    async def erase(self, conversation_ids: Sequence[str], now_ms: int) -> int:
        """See Archive."""
        return await self._write(
            lambda connection: erase(connection, Batch(connection, self._insert), conversation_ids, now_ms)
        )

    async def ping(self) -> None:
        """See Archive."""
        await self._read(select(1))

    async def close(self) -> None:
        await self._engine.dispose()

    async def prepare(self) -> None:
        """Make the tables, or bring them up to date. Until that is done, every other method tries it first.

        Raises `ArchiveRefused` for an archive that this release cannot use, `ConfigurationError` for a URL that cannot
        be read.
        """
        engine = new_engine(self._database, patient=True)
        try:
            await self._once(engine, bring_up_to_date)
        except (ArchiveUnavailable, ValueError) as error:
            if _is_misread(error):
                # Without its cause: that repeats what it could not read, and a password may be in it.
                raise ConfigurationError("BOTEL_STORE_DATABASE_URL cannot be read: see docs/store.md") from None
            raise
        finally:
            await engine.dispose()
        self._prepared = True

    async def _ready(self) -> None:
        """Raises at once while somebody else tries, or shortly after an attempt has failed."""
        if self._prepared:
            return
        now = asyncio.get_running_loop().time
        if self._attempt.locked() or now() < self._not_before:
            raise ArchiveUnavailable("the database has not been there since the start")
        async with self._attempt:
            try:
                await self.prepare()
            finally:
                self._not_before = now() + _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
                self._failures += 1
        _log.info("the archive is there")

    async def _read(self, query: Select[Any]) -> Sequence[Any]:
        async def fetch(connection: AsyncConnection) -> Sequence[Any]:
            found: Sequence[Any] = (await connection.execute(query)).all()
            return found

        return await self._run(self._reader, fetch)

    async def _write(self, work: Work[T]) -> T:
        async def in_turn(connection: AsyncConnection) -> T:
            if connection.dialect.name == SQLITE:
                await connection.execute(text("BEGIN IMMEDIATE"))  # what is read is still so when it is written
            return await work(connection)

        return await self._run(self._engine, in_turn)

    async def _run(self, engine: AsyncEngine, work: Work[T]) -> T:
        await self._ready()
        try:
            return await self._once(engine, work)
        except ArchiveUnavailable as error:
            if not _was_cut(error.__cause__):
                raise
            return await self._once(engine, work)

    async def _once(self, engine: AsyncEngine, work: Work[T]) -> T:
        async with _typed_errors(), engine.begin() as connection:
            return await work(connection)


@contextlib.asynccontextmanager
async def _typed_errors() -> AsyncIterator[None]:
    """Says of which kind it was, and PostgreSQL's code of it; nothing of the statement, and nothing of the URL."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        code = getattr(getattr(error, "orig", None), "sqlstate", None)
        told = type(error).__name__ + (f", {code}" if code else "")
        raise ArchiveUnavailable(f"the database failed: {told}") from error


def _is_misread(error: BaseException | None) -> bool:
    """Whether the driver could make nothing of the URL: it says so by ValueErrors of several kinds."""
    while error:
        if isinstance(error, ValueError) and not isinstance(error, OSError):  # which a refused certificate is, too
            return True
        error = error.__cause__
    return False


def _was_cut(error: BaseException | None) -> bool:
    """Whether the connection was gone. The pool has then dropped every one of that time."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _kept(row: Any) -> Kept:
    return Kept(**{name: value for name, value in row._mapping.items() if name in Kept.__struct_fields__})


async def open_archive(database: Database) -> SqlArchive:
    """The archive, its tables made or brought up to date. A PostgreSQL that is not there yet is waited for in use.

    Raises `ArchiveUnavailable` when an embedded one cannot be opened, `ArchiveRefused` for one that this release cannot
    use, `ConfigurationError` for a database of another kind or a URL that cannot be read.
    """
    archive = SqlArchive(database)
    try:
        await archive.prepare()
    except ArchiveUnavailable as error:
        if isinstance(error, ArchiveRefused) or database.kind == SQLITE:
            await archive.close()
            raise
        _log.error("the archive is not there yet", extra={"reason": error.detail})
    except BaseException:
        await archive.close()
        raise
    return archive
