"""How an archive begins, and how one of an earlier release goes on: on both databases, by several stores at once."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.store_measure import QUICK, fill, plans
from libs.contracts.events import AnyEvent
from libs.web.api_keys import ConfigurationError
from services.context_store.adapters.sql_archive import open_archive
from services.context_store.adapters.sql_engine import POSTGRES, Database
from services.context_store.adapters.sql_schema import SCHEMA, metadata
from services.context_store.ports import ArchiveRefused
from tests.integration.context_store.asked import ask
from tests.integration.context_store.stories import store
from tests.servers.postgres import PostgresServer
from tests.talk import Talk

FIRST = """
CREATE TABLE archive_schema (version INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE conversations (conversation_id VARCHAR(64) NOT NULL PRIMARY KEY, property_id VARCHAR(64) NOT NULL,
 customer_id VARCHAR(128) NOT NULL, reservation_id VARCHAR(128) NOT NULL, opened_ms BIGINT NOT NULL,
 last_ms BIGINT NOT NULL, last_number BIGINT NOT NULL, settled_to BIGINT NOT NULL);
CREATE INDEX conversations_latest ON conversations (property_id, last_ms, conversation_id);
CREATE INDEX conversations_customer ON conversations (property_id, customer_id);
CREATE INDEX conversations_reservation ON conversations (property_id, reservation_id);
CREATE TABLE events (conversation_id VARCHAR(64) NOT NULL, number BIGINT NOT NULL, kind VARCHAR(64) NOT NULL,
 time_ms BIGINT NOT NULL, reason TEXT NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (conversation_id, number));
CREATE TABLE retirements (conversation_id VARCHAR(64) NOT NULL PRIMARY KEY, looked_ms BIGINT NOT NULL,
 number BIGINT NOT NULL);
CREATE INDEX retirements_due ON retirements (looked_ms);
CREATE TABLE strays (id VARCHAR(64) NOT NULL PRIMARY KEY, label TEXT NOT NULL, reason TEXT NOT NULL,
 body BYTEA NOT NULL);
INSERT INTO archive_schema VALUES (1);
INSERT INTO conversations VALUES ('conv-1', 'harbour', 'C-1', '', 5, 6, 2, 2);
INSERT INTO conversations VALUES ('conv-2', 'harbour', '', '', 5, 6, 1, 1);
INSERT INTO retirements VALUES ('conv-2', 700, 1)
"""
"""Schema 1, as the first release made it."""


async def _as_the_first_release_left_it(database: Database) -> None:
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        for statement in FIRST.split(";"):
            await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture
def folder(database: Database) -> None:
    """Of the file, which only `open_archive` makes."""
    if database.kind != POSTGRES:
        Path(database.url.partition("///")[2]).parent.mkdir(parents=True)


async def test_stores_that_start_together_on_an_empty_database_all_come_up(database: Database) -> None:
    archives = await asyncio.gather(*(open_archive(database) for _ in range(6)))

    await asyncio.gather(*(store(one, Talk(f"conv-{at}").opened()) for at, one in enumerate(archives)))

    assert [len(await one.conversations("harbour", limit=9)) for one in archives] == [6] * 6
    assert await ask(database, "SELECT version FROM archive_schema") == [(SCHEMA,)]
    for one in archives:
        await one.close()


@pytest.mark.usefixtures("folder")
async def test_an_archive_of_the_first_release_is_brought_up_to_date_once(database: Database) -> None:
    await _as_the_first_release_left_it(database)

    archives = await asyncio.gather(*(open_archive(database) for _ in range(4)))

    assert await ask(database, "SELECT version FROM archive_schema ORDER BY version") == [(1,), (2,)]
    due = await archives[0].due(before_ms=701, limit=9)
    assert [(one.kept.conversation_id, one.number) for one in due] == [("conv-1", 0), ("conv-2", 1)]
    await store(archives[1], Talk("conv-3").opened())
    assert len(await archives[2].conversations("harbour", limit=9)) == 3
    for one in archives:
        await one.close()


async def test_no_query_reads_a_whole_table(database: Database) -> None:
    """PostgreSQL would rather read small tables whole: it is told not to, and finds an index for each query."""
    if database.kind == POSTGRES:
        name = database.url.rpartition("/")[2]
        await ask(database, f"ALTER DATABASE {name} SET enable_seqscan = off")
    await fill(database, QUICK)

    told = await plans(database, QUICK)

    assert len(told) == 8
    whole = [line for lines in told.values() for line in lines if re.search("Seq Scan|SCAN (?!asked|\\d)", line)]
    assert whole == [], told


async def test_a_back_up_that_is_restored_is_served_and_filled_up_again(
    postgres: PostgresServer, postgres_url: str
) -> None:
    talk = Talk()
    events: list[AnyEvent] = [talk.opened(customer_id="C-1"), talk.asks("One?", "1"), talk.asks("Two?", "2")]
    archive = await open_archive(Database(url=postgres_url))
    await store(archive, *events[:2])
    dumped = postgres.dump(postgres_url.rpartition("/")[2])
    await store(archive, *events)
    await archive.close()

    with postgres.database() as name:
        postgres.restore(dumped, name)
        restored = await open_archive(Database(url=postgres.url(name)))
        assert [row.event() for row in await restored.rows("conv-1", after=0, limit=9)] == events[:2]
        await store(restored, *events)
        assert [row.number for row in await restored.rows("conv-1", after=0, limit=9)] == [1, 2, 3]
        await restored.close()


async def test_a_user_who_may_not_make_tables_serves_an_archive_that_is_up_to_date(
    postgres: PostgresServer, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    owner = await open_archive(Database(url=postgres_url))
    await owner.close()
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    user = f"{name}_service"
    postgres.psql(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"CREATE ROLE {user} LOGIN PASSWORD 'service'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {user}",
        database=name,
    )
    service = await open_archive(Database(url=f"postgresql+asyncpg://{user}:service@127.0.0.1:{postgres.port}/{name}"))

    await store(service, Talk().opened(customer_id="C-1"))
    assert await service.erase(["conv-1"], 1) == 1

    await service.close()
    postgres.psql(f"DROP OWNED BY {user}", f"DROP ROLE {user}", database=name)


async def test_a_database_that_cannot_hold_every_name_is_refused(postgres: PostgresServer) -> None:
    options = ["TEMPLATE template0", "ENCODING 'LATIN1'", "LOCALE 'C'"]
    if postgres.version() >= 15:
        options.append("LOCALE_PROVIDER libc")
    with postgres.database(*options) as name, pytest.raises(ArchiveRefused, match="LATIN1"):
        await open_archive(Database(url=postgres.url(name)))


@pytest.mark.parametrize(
    "url", ["mysql+aiomysql://u:secret@localhost/x", "secret", "postgresql+psycopg://u:secret@h/d"]
)
async def test_a_database_of_another_kind_is_refused_and_its_password_not_told(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql\\+asyncpg") as refused:
        await open_archive(Database(url=url))

    assert "secret" not in str(refused.value)


async def test_the_embedded_database_survives_a_power_cut_and_lets_readers_read(tmp_path: Path) -> None:
    database = Database(url=f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}")
    archive = await open_archive(database)
    assert await ask(database, "PRAGMA journal_mode") == [("wal",)]
    await archive.close()
