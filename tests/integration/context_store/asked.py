"""What a database says, asked by somebody else than the archive: with the drivers themselves."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import Any

import asyncpg

from services.context_store.adapters.sql_engine import SQLITE, Database

Found = list[tuple[Any, ...]]


async def ask(database: Database, sql: str) -> Found:
    """Run one statement, in words that both know, and commit; answers its rows."""
    if database.kind == SQLITE:
        return await asyncio.to_thread(_ask_sqlite, database.url.partition("///")[2], sql)
    return await ask_url(database.url, sql)


async def ask_url(url: str, sql: str) -> Found:
    """The same of a PostgreSQL."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def _ask_sqlite(path: str, sql: str) -> Found:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()
