"""Makes the tables of an archive, or brings those of an earlier release up to date. Several stores may at once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable

from services.context_store.adapters.sql_engine import POSTGRES
from services.context_store.adapters.sql_schema import SCHEMA, archive_schema, metadata
from services.context_store.ports import ArchiveRefused

_LOCK = 0x626F74656C
"""Of pg_advisory_xact_lock: stores that start together wait for each other."""
_STEPS: dict[int, Sequence[str]] = {
    2: (
        "INSERT INTO retirements (conversation_id, looked_ms, number) "
        "SELECT conversation_id, 0, 0 FROM conversations WHERE conversation_id NOT IN "
        "(SELECT conversation_id FROM retirements)",
        "DROP INDEX IF EXISTS conversations_customer",
        "DROP INDEX IF EXISTS conversations_reservation",
    ),
}
"""To a version from the one before, in words of both databases. Tables and indexes that are new are there already."""


async def bring_up_to_date(connection: AsyncConnection) -> None:
    """In the transaction of `connection`. Raises `ArchiveRefused` for an archive that this release cannot use.

    An archive that is up to date is only read: in service a user of the database needs no right to make tables.
    """
    postgres = connection.dialect.name == POSTGRES
    if postgres:
        await _check_encoding(connection)
    if await _version(connection) == SCHEMA:
        return
    if postgres:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        await connection.execute(text("BEGIN IMMEDIATE"))  # the driver begins nothing before DDL
    had = await _version(connection)
    await connection.run_sync(_create)
    for version in range(max(had, 1) + 1, SCHEMA + 1):
        for step in _STEPS[version]:
            await connection.execute(text(step))
    if had < SCHEMA:
        await connection.execute(archive_schema.insert().values(version=SCHEMA))


async def _version(connection: AsyncConnection) -> int:
    """The archive's; 0 when there is none yet. `ArchiveRefused` for a newer one than this release knows."""
    if not await connection.run_sync(lambda sync: inspect(sync).has_table(archive_schema.name)):
        return 0
    versions = (await connection.execute(select(archive_schema.c.version))).scalars().all()
    version = max(versions, default=0)
    if version > SCHEMA:
        raise ArchiveRefused(f"this archive has schema {version}, this release knows up to {SCHEMA}")
    return version


def _create(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))


async def _check_encoding(connection: AsyncConnection) -> None:
    """Else the first name that the encoding lacks would come again for ever."""
    encoding = (await connection.execute(text("SHOW server_encoding"))).scalar_one()
    if encoding != "UTF8":
        raise ArchiveRefused(f"the archive's database has the encoding {encoding}: make it with ENCODING 'UTF8'")
