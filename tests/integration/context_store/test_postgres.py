"""How the archive connects to PostgreSQL: refusals, TLS, its pool, several hosts, and a server's own defaults."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from libs.contracts.events import AnyEvent
from libs.web.api_keys import ConfigurationError
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.adapters.sql_engine import APPLICATION, Database
from services.context_store.ports import ArchiveUnavailable
from tests.integration.context_store.asked import ask_url
from tests.integration.context_store.stories import store
from tests.servers.postgres import OWNER, PostgresServer, running_postgres
from tests.talk import Talk


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[SqlArchive]:
    archive = await open_archive(Database(url=postgres_url, pool=2, timeout_s=10))
    yield archive
    await archive.close()


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"password": "not-the-password"}, "28P01"),
        ({"database": "nowhere"}, "3D000"),
        ({"user": "full", "password": "of-the-full-one"}, "53300"),
        ({"host": "no-such-host.invalid"}, "gaierror|TimeoutError"),  # a resolver may be slow to say so
        ({"port": "1"}, "OSError|ConnectionRefusedError"),
        ({"query": "?sslmode=require"}, "ConnectionError|OSError|InterfaceError"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "-".join(value.values()),
)
async def test_a_refusal_is_one_typed_error_with_its_code_and_without_the_password(
    postgres: PostgresServer, broken: dict[str, str], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    postgres.psql(
        "DROP ROLE IF EXISTS full", "CREATE ROLE \"full\" LOGIN PASSWORD 'of-the-full-one' CONNECTION LIMIT 0"
    )
    parts = {"user": OWNER, "password": postgres.password, "host": "127.0.0.1", "port": str(postgres.port)} | broken
    account = f"{parts['user']}:{quote(parts['password'], safe='')}"
    place = f"{parts['host']}:{parts['port']}/{parts.get('database', 'postgres')}{parts.get('query', '')}"
    archive = SqlArchive(Database(url=f"postgresql+asyncpg://{account}@{place}", timeout_s=10))

    with pytest.raises(ArchiveUnavailable, match=code) as refused:
        await archive.prepare()
    await archive.close()

    told = "".join(traceback.format_exception(refused.value)) + caplog.text + refused.value.detail
    assert parts["password"] not in told
    assert account not in told


async def test_what_a_guest_said_is_in_no_error(opened: SqlArchive, postgres_url: str) -> None:
    await ask_url(postgres_url, "ALTER TABLE events ADD CONSTRAINT never CHECK (number < 0)")

    words = "my-card-number"
    with pytest.raises(ArchiveUnavailable, match="23514") as refused:
        await store(opened, Talk().asks(words, "t"))

    assert words not in "".join(traceback.format_exception(refused.value))


async def test_it_says_who_it_is_and_holds_no_more_connections_than_it_may(
    opened: SqlArchive, postgres_url: str
) -> None:
    await asyncio.gather(*(opened.conversations("harbour", limit=1) for _ in range(30)))

    count = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{APPLICATION}'"
    assert await ask_url(postgres_url, count + " AND datname = current_database()") == [(2,)]


async def test_two_writers_work_on_a_server_whose_default_is_serializable(
    postgres: PostgresServer, postgres_url: str
) -> None:
    """Under which one of them would be sent away again and again."""
    name = postgres_url.rpartition("/")[2]
    postgres.psql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    one, two = [await open_archive(Database(url=postgres_url)) for _ in range(2)]
    talk = Talk()
    events: list[AnyEvent] = [talk.opened(), *(talk.asks("Hi", str(number)) for number in range(40))]

    await asyncio.gather(*(store(archive, *events[:at]) for at in range(2, 40) for archive in (one, two)))

    assert len(await one.rows("conv-1", after=0, limit=99)) == 39
    for archive in (one, two):
        await archive.close()


@pytest.mark.parametrize("place", ["127.0.0.1:many/x", "127.0.0.1/x?sslmode=perhaps", "127.0.0.1:5/6@7:8/x"])
async def test_a_url_that_cannot_be_read_is_a_wrong_setting_and_is_not_repeated(place: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await open_archive(Database(url=f"postgresql+asyncpg://owner:se/cr@et@{place}"))

    assert "cr@et" not in "".join(traceback.format_exception(refused.value)).replace("se/cr@et@{place}", "")


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Of 127.0.0.1, vouched for by itself; and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    options = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    files = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", "req", *options, *files], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, Path]]:
    """A server that speaks TLS, and the certificate to trust."""
    certificate, key = _certificate(tmp_path_factory.mktemp("tls"), "server")
    with running_postgres() as server:
        server.give(certificate, key)
        server.options += ["ssl=on", f"ssl_cert_file={certificate.name}", f"ssl_key_file={key.name}"]
        server.stop()
        server.start()
        yield server, certificate


@pytest.mark.parametrize("query", ["sslmode=require", "ssl=require", "sslmode=verify-full&sslrootcert={certificate}"])
async def test_tls_as_the_url_says(tls: tuple[PostgresServer, Path], query: str) -> None:
    server, certificate = tls
    with server.database() as name:
        url = f"{server.url(name)}?{query.format(certificate=certificate)}"
        archive = await open_archive(Database(url=url))
        await store(archive, Talk().opened())

        encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = "
        assert server.psql(f"{encrypted}'{APPLICATION}'") == "t"
        await archive.close()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that has not signed the server's."""
    return _certificate(tmp_path_factory.mktemp("stranger"), "stranger")[0]


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: tuple[PostgresServer, Path], stranger: Path
) -> None:
    url = f"{tls[0].url()}?sslmode=verify-full&sslrootcert={stranger}"

    with pytest.raises(ArchiveUnavailable, match="SSL"):
        await SqlArchive(Database(url=url)).prepare()


async def test_of_several_hosts_the_one_that_takes_writes_is_found(postgres: PostgresServer, postgres_url: str) -> None:
    """As with a standby beside it: the URL names both."""
    here = f"127.0.0.1:{postgres.port}"
    url = postgres_url.replace(here, f"127.0.0.1:1,{here}") + "?target_session_attrs=read-write"
    archive = await open_archive(Database(url=url))

    await store(archive, Talk().opened())

    assert len(await archive.conversations("harbour", limit=2)) == 1
    await archive.close()
