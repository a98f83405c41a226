"""SQLite files that several processes open: write-ahead logging, switched on whoever comes first."""

from __future__ import annotations

import asyncio
import sqlite3

import aiosqlite

_PAUSE_S = 0.01


async def write_ahead(connection: aiosqlite.Connection, patience_s: float) -> None:
    """Switch the file of `connection` to WAL, in which readers never wait for the writer; it stays so.

    A connection's own timeout does not help here: SQLite refuses the switch at once while somebody writes, as another
    that makes the same new file does. Raises `sqlite3.OperationalError` when that is still so after `patience_s`.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience_s
    while True:
        try:
            async with connection.execute("PRAGMA journal_mode=WAL"):
                return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock() > deadline:
                raise
            await asyncio.sleep(_PAUSE_S)
