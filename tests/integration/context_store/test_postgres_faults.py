"""PostgreSQL dies, restarts, locks, fills up or is not there yet, under a whole store: what is acked is kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.contracts.keys import STORE_GROUP
from services.context_store.adapters.sql_engine import APPLICATION
from tests.eventually import eventually
from tests.integration.context_store.asked import ask_url
from tests.integration.context_store.test_live import Guest, bus_settings, numbers, running_store, stored
from tests.integration.context_store.test_store_faults import Bodies, logged, unkept
from tests.servers.postgres import PostgresServer, running_postgres

OURS = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{APPLICATION}'"
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Of this module, which stops it and starts it."""
    with running_postgres() as made:
        yield made


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    with server.database() as made:
        yield made


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    async with Bus(bus_settings(redis_url)) as made:
        yield made


@contextlib.asynccontextmanager
async def store(redis_url: str, url: str, consumer: str = "store-1") -> AsyncIterator[httpx.AsyncClient]:
    settings: dict[str, Any] = {"database_timeout_s": 1, "database_pool": 3, "consumer": consumer}
    running = running_store(redis_url, Path("never"), None, database_url=SecretStr(url), **settings)
    async with asyncio.timeout(120), running as client:
        yield client


async def archived(url: str) -> Bodies:
    return {(row[0], row[1]): row[2] for row in await ask_url(url, "SELECT conversation_id, number, body FROM events")}


async def health(client: httpx.AsyncClient) -> dict[str, str]:
    checks: dict[str, str] = (await client.get("/readyz")).json()["checks"]
    return checks


async def caught_up(bus: Bus, url: str, client: httpx.AsyncClient) -> None:
    await eventually(lambda: unkept(bus), lambda count: count == 0)
    assert await archived(url) == await logged(bus)
    await eventually(lambda: health(client), lambda told: set(told.values()) == {"ok"})


async def test_a_server_that_crashes_under_traffic_and_comes_back_has_what_redis_has(
    redis_url: str, bus: Bus, server: PostgresServer, name: str
) -> None:
    url, guests = server.url(name), [Guest(bus) for _ in range(10)]
    for number, guest in enumerate(guests):
        await guest.open(f"C-{number}")
    async with store(redis_url, url) as client:
        for _ in range(2):
            had = len(await archived(url))
            writing = [asyncio.create_task(guest.note(60)) for guest in guests]
            await eventually(lambda: archived(url), lambda rows, had=had: len(rows) > had)  # type: ignore[misc]
            await asyncio.to_thread(server.stop)
            await asyncio.gather(*writing)
            answer = await client.get("/conversations")
            assert (answer.status_code, answer.json()["code"]) == (503, "archive-unavailable")
            assert answer.headers["Retry-After"] == "1"
            assert "ArchiveUnavailable" in (await health(client)).values()
            await asyncio.to_thread(server.start)
            await caught_up(bus, url, client)

        # What was committed in the moment of a crash, and not confirmed, is written again: then it is no news.
        new = await _events(client, "new")
        assert new <= 10 * 121 <= new + await _events(client, "duplicate")
        assert len(await archived(url)) == 10 * 121
        assert await _events(client, "lost") == 0


async def test_connections_that_are_cut_cost_no_request_an_error(
    redis_url: str, bus: Bus, server: PostgresServer, name: str
) -> None:
    guest = Guest(bus)
    await guest.open()
    async with store(redis_url, server.url(name)) as client:
        await eventually(lambda: stored(client), lambda number: number == 1)
        for _ in range(5):
            await ask_url(server.url(name), CUT)
            await asyncio.gather(guest.note(20), *(client.get("/conversations") for _ in range(3)))
            answers = [await client.get("/conversations"), await client.get("/readyz")]
            assert [answer.status_code for answer in answers] == [200, 200]
        await caught_up(bus, server.url(name), client)


async def test_with_a_table_locked_it_acks_nothing_and_answers_in_time(
    redis_url: str, bus: Bus, server: PostgresServer, name: str
) -> None:
    guest = Guest(bus)
    await guest.open()
    async with store(redis_url, server.url(name)) as client:
        await eventually(lambda: stored(client), lambda number: number == 1)
        other = await asyncpg.connect(server.url(name).replace("+asyncpg", ""))
        locked = other.transaction()
        await locked.start()
        await other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        await guest.note(5)

        # As many at once as there are connections, and more.
        reads = await asyncio.gather(*(client.get(f"/conversations/{guest.conversation_id}/events") for _ in range(6)))
        assert {answer.status_code for answer in reads} == {503}
        assert await eventually(lambda: health(client), lambda told: told["ingest"] == "ArchiveUnavailable")
        assert await unkept(bus) == 5
        await locked.rollback()
        await other.close()
        await caught_up(bus, server.url(name), client)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        (
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END$$; "
            "CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()",
            "DROP TRIGGER full_disk ON events",
        ),
        (
            "ALTER ROLE owner SET default_transaction_read_only = on",  # what a standby is after a failover
            "SET default_transaction_read_only = off; ALTER ROLE owner RESET default_transaction_read_only",
        ),
    ],
    ids=["full disk", "read only"],
)
async def test_a_database_that_takes_no_writes_is_read_and_nothing_is_acked(
    redis_url: str, bus: Bus, server: PostgresServer, name: str, broken: str, mended: str
) -> None:
    guest = Guest(bus)
    await guest.open()
    async with store(redis_url, server.url(name)) as client:
        await eventually(lambda: stored(client), lambda number: number == 1)
        server.psql(*broken.split("; ", 1) if "FUNCTION" not in broken else [broken], CUT, database=name)
        await guest.note(5)

        assert await eventually(lambda: health(client), lambda told: told["ingest"] == "ArchiveUnavailable")
        assert (await health(client))["archive"] == "ok"
        assert await numbers(client, guest.conversation_id) == [1, 2, 3, 4, 5, 6], "the last five are Redis's"
        assert await unkept(bus) == 5
        server.psql(*mended.split("; "), CUT, database=name)
        await caught_up(bus, server.url(name), client)


async def test_connections_on_which_nothing_comes_any_more_are_given_up_and_replaced(
    redis_url: str, bus: Bus, server: PostgresServer, name: str
) -> None:
    """The server's ends are suspended: as when a firewall has forgotten connections, and swallows what they send."""
    guest = Guest(bus)
    await guest.open()
    async with store(redis_url, server.url(name)) as client:
        await eventually(lambda: stored(client), lambda number: number == 1)
        asleep = [row[0] for row in await ask_url(server.url(name), OURS)]
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        try:
            await guest.note(5)
            await eventually(lambda: health(client), lambda told: told["ingest"] == "ArchiveUnavailable")
            await caught_up(bus, server.url(name), client)
        finally:
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)


async def test_a_database_that_is_not_there_at_the_start_is_waited_for(
    redis_url: str, bus: Bus, server: PostgresServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    guest = Guest(bus)
    await guest.open()
    server.stop()
    try:
        async with store(redis_url, server.url(name)) as client:
            assert (await client.get("/healthz")).status_code == 200
            assert (await health(client))["archive"] == "ArchiveUnavailable"
            answer = await client.get("/conversations")
            assert (answer.status_code, answer.json()["code"]) == (503, "archive-unavailable")
            await guest.note(5)
            assert await unkept(bus) == 6

            await asyncio.to_thread(server.start)

            await caught_up(bus, server.url(name), client)
            assert await stored(client) == 6
    finally:
        if not server.running:
            server.start()
    assert "the archive is not there yet" in caplog.text
    assert "the archive is there" in caplog.text
    assert server.password not in caplog.text


async def test_two_stores_side_by_side_keep_each_event_once_and_one_goes_on_alone(
    redis_url: str, bus: Bus, server: PostgresServer, name: str
) -> None:
    """Both begin on an empty database, read the same streams under their own names, and share the conversations."""
    url, guests = server.url(name), [Guest(bus) for _ in range(20)]
    for number, guest in enumerate(guests):
        await guest.open(f"C-{number}")
    async with contextlib.AsyncExitStack() as second, store(redis_url, url, "store-1") as one:
        two = await second.enter_async_context(store(redis_url, url, "store-2"))
        await eventually(lambda: _consumers(bus), lambda names: names == {"store-1", "store-2"})
        await asyncio.gather(*(guest.note(50) for guest in guests))
        await eventually(lambda: unkept(bus), lambda count: count == 0)
        assert len(await archived(url)) == 20 * 51
        for client in (one, two):
            assert await eventually(lambda client=client: _kept_by(client)), "both took part"  # type: ignore[misc]
        await second.aclose()
        await asyncio.gather(*(guest.note(5) for guest in guests))
        await caught_up(bus, url, one)
        assert "deadlock" not in server.log()
    for guest in guests:
        found = await ask_url(
            url,
            "SELECT last_number, settled_to, customer_id <> '' FROM conversations "
            f"WHERE conversation_id = '{guest.conversation_id}'",
        )
        assert found == [(56, 56, True)]


async def _kept_by(client: httpx.AsyncClient) -> float:
    return await _events(client, "new") + await _events(client, "healed")


async def _events(client: httpx.AsyncClient, outcome: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    (line,) = [line for line in lines if line.startswith(f'botel_store_events_total{{outcome="{outcome}"}} ')]
    return float(line.rpartition(" ")[2])


async def _consumers(bus: Bus) -> set[str]:
    (keys,) = bus.shards
    return {one[1].decode() for one in await bus.commands.send("XINFO", "CONSUMERS", keys.events, STORE_GROUP)}
