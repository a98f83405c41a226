"""From an operator's URL to an engine: SQLite embedded (WAL), or PostgreSQL over asyncpg."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from libs.sqlite import write_ahead
from libs.web.api_keys import ConfigurationError

SQLITE, POSTGRES = "sqlite", "postgresql"
APPLICATION = "botel-context-store"
"""As pg_stat_activity shows it."""
_BUSY_MS = 5_000
_CONNECT_S = 5.0
_RECYCLE_S = 300
"""Connections older than this are made anew at their next use: before networks forget those that are idle."""
_POSTGRES_NAMES = ("postgresql", "postgres", "postgresql+asyncpg")
_SQLITE_NAMES = ("sqlite", "sqlite+aiosqlite")
_KINDS = {**dict.fromkeys(_POSTGRES_NAMES, POSTGRES), **dict.fromkeys(_SQLITE_NAMES, SQLITE)}


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where the archive is, and how long and often it may be asked."""

    url: str
    """`sqlite+aiosqlite:///path` or `postgresql+asyncpg://user:password@host:port/database?sslmode=...`; everything
    after the ? that libpq knows, multiple hosts included."""
    pool: int = 5
    """Connections to PostgreSQL at most."""
    timeout_s: float = 10.0
    """A statement that takes longer fails. So does waiting for a connection."""

    @property
    def kind(self) -> str:
        """SQLITE or POSTGRES; `ConfigurationError` for anything else. The text repeats nothing of the URL."""
        scheme, separator, _ = self.url.partition("://")
        if not separator or scheme not in _KINDS:
            raise ConfigurationError("BOTEL_STORE_DATABASE_URL: sqlite+aiosqlite:///... or postgresql+asyncpg://...")
        return _KINDS[scheme]


def new_engine(database: Database, *, patient: bool = False) -> AsyncEngine:
    """An engine; nothing is connected yet. `patient`: one connection, and statements may take as long as they do.

    What a statement is given is never part of an error: events are what guests said.
    """
    if database.kind == SQLITE:
        return _sqlite_engine(database)
    timeout_s = 0.0 if patient else database.timeout_s
    pool: dict[str, Any] = {
        "pool_size": database.pool,
        "max_overflow": 0,
        "pool_timeout": database.timeout_s,
        "pool_recycle": _RECYCLE_S,
    }
    return create_async_engine(
        URL.create("postgresql+asyncpg"),
        connect_args=_asyncpg_arguments(database.url, timeout_s),
        # Whatever the server's default: each statement sees what was committed before it, as the batch relies on.
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        **({"poolclass": NullPool} if patient else pool),
    )


def _asyncpg_arguments(url: str, timeout_s: float) -> dict[str, Any]:
    """asyncpg reads libpq's URLs itself: TLS, several hosts, sockets. The server gives up just before this end does."""
    server_ms = int(timeout_s * 900)
    return {
        "dsn": _libpq_url(url),
        "timeout": _CONNECT_S,
        "command_timeout": timeout_s or None,
        "server_settings": {
            "application_name": APPLICATION,
            "statement_timeout": str(server_ms),
            "lock_timeout": str(server_ms),
            "idle_in_transaction_session_timeout": "60000",
        },
    }


def _libpq_url(url: str) -> str:
    """SQLAlchemy's scheme taken off, and `ssl`, as it is called there, given libpq's name."""
    parts = urlsplit(url)
    query = [("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)]
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query, quote_via=quote), ""))


def _sqlite_engine(database: Database) -> AsyncEngine:
    try:
        parsed = make_url(database.url).set(drivername="sqlite+aiosqlite")
    except ArgumentError:
        raise ConfigurationError("the URL of the archive cannot be read") from None
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(parsed, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _sqlite_settings)
    return engine


def _sqlite_settings(connection: Any, _: Any) -> None:
    """WAL, so that readers never wait for the writer; FULL, because an acked event must outlive a power cut; what is
    erased is overwritten."""
    connection.run_async(lambda opened: write_ahead(opened, _BUSY_MS / 1000))
    cursor = connection.cursor()
    for pragma in ("synchronous=FULL", f"busy_timeout={_BUSY_MS}", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
