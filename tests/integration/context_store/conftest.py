"""An archive on SQLite or PostgreSQL, and Redis's end of conversations as a test wants it.

Whatever uses `archive` runs on both: what one keeps, the other must.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from libs.observability.health import Health
from libs.web.api_keys import ApiKeys
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.adapters.sql_engine import POSTGRES, SQLITE, Database
from services.context_store.app import build
from services.context_store.changes import Changes
from services.context_store.history import History
from services.context_store.http.api import Desk
from services.context_store.lag import LagWatch
from services.context_store.settings import StoreSettings
from tests.integration.context_store.hot import HotConversations
from tests.integration.context_store.stories import OURS
from tests.servers.postgres import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's server. A test that stops it makes one of its own with `running_postgres`."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Of a database of the test's own, empty."""
    with postgres.database() as name:
        yield postgres.url(name)


@pytest.fixture(params=[SQLITE, POSTGRES])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty one, of each kind in turn."""
    if request.param == SQLITE:
        return Database(url=f"sqlite+aiosqlite:///{tmp_path / 'new' / 'store.sqlite3'}")
    return Database(url=request.getfixturevalue("postgres_url"))


@pytest.fixture
async def archive(database: Database) -> AsyncIterator[SqlArchive]:
    opened = await open_archive(database)
    yield opened
    await opened.close()


@pytest.fixture
def hot() -> HotConversations:
    return HotConversations()


@pytest.fixture
async def client(archive: SqlArchive, hot: HotConversations) -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    ids = iter(range(1_000))
    history = History(archive, hot)
    changes = Changes(archive, history, hot, now_ms=lambda: 7, new_id=lambda kind: f"{kind}-new-{next(ids)}")

    async def no_streams() -> list[object]:
        return []

    watch = LagWatch(no_streams, registry)  # type: ignore[arg-type]
    app = build(
        StoreSettings(),
        _keys(),
        Desk(archive, history, changes),
        watch,
        Health(registry, {"archive": archive.ping}),
        registry,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://store", headers=OURS) as made:
        yield made


def _keys() -> ApiKeys:
    return ApiKeys(
        {hashlib.sha256(key.encode()).hexdigest(): one for key, one in (("ours", "harbour"), ("theirs", "hill"))}
    )
