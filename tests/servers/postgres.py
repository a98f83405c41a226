"""A real PostgreSQL for tests: own port, data in a temporary folder, gone with the test session even if that is killed.

    with running_postgres() as server:
        with server.database() as name:
            url = server.url(name)

Its users have passwords that are checked, and its text sorts by ICU's rules for English, as many an installation's
does: whatever relies on the order of bytes shows. initdb refuses root, so as root everything runs as another user.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_port

VARIABLE = "BOTEL_TEST_POSTGRES_BIN"
"""The folder of initdb and postgres, if they are neither on PATH nor where packages put them."""
MISSING = "needs PostgreSQL: none is installed (apt install postgresql, brew install postgresql)"
OWNER = "owner"
"""The superuser of the server."""
START_S = 30.0
_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/latest/bin",
)
_ICU_SINCE = 15
_OPTIONS = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60", "log_statement=none")
"""A write is with the kernel before its commit is told: a killed server has lost nothing, only a dead machine has."""


def find_postgres(env: Mapping[str, str] = os.environ) -> Path | None:
    """The folder with initdb and postgres: VARIABLE's, PATH's, else the newest where packages put them."""
    if named := env.get(VARIABLE):
        return Path(named)
    if on_path := shutil.which("initdb", path=env.get("PATH")):
        return Path(on_path).resolve().parent
    found = [folder for place in _PLACES for folder in Path("/").glob(place[1:]) if (folder / "initdb").exists()]
    return max(found, key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))], default=None)


class PostgresServer:
    """A running server. `stop` and `start` are for tests of what happens without it."""

    def __init__(self, binaries: Path, directory: Path, leash: Leash) -> None:
        self.password = secrets.token_urlsafe(12) + "/@:%"
        """Of OWNER: random, and with what has a meaning in a URL."""
        self.port = 0
        self.options: list[str] = []
        """`name=value`; a test may change them before it starts the server again."""
        self._binaries = binaries
        self._data = directory / "data"
        self._log = directory / "postgres.log"
        self._leash = leash
        self._user = _somebody_else()
        self._group = pwd.getpwnam(self._user).pw_gid if self._user else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def url(self, database: str = "postgres", scheme: str = "postgresql+asyncpg") -> str:
        return f"{scheme}://{OWNER}:{quote(self.password, safe='')}@{HOST}:{self.port}/{database}"

    def init(self) -> None:
        """Make its data folder."""
        folder = self._data.parent
        secret = folder / "password"
        secret.write_text(self.password)
        if self._user:
            for path in (folder, secret):
                shutil.chown(path, self._user)
        options = ["--no-sync", "--encoding=UTF8", f"--username={OWNER}", "--auth=scram-sha-256", f"--pwfile={secret}"]
        if self.version() >= _ICU_SINCE:
            options += ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"]
        self._run("initdb", f"--pgdata={self._data}", *options)
        secret.unlink()

    def version(self) -> int:
        told = self._run("postgres", "--version")
        return int(re.findall(r"\d+", told)[0])

    def start(self) -> None:
        """Start, on the port of the last time if there was one; returns when it takes queries."""
        for _ in range(5):
            if self._start(self.port or free_port()):
                return
        raise RuntimeError(f"postgres did not start: {self.log()[-1_000:]}")

    def stop(self) -> None:
        """As if it had crashed: connections are cut, nothing is written any more, and the next start recovers.

        SIGQUIT and not SIGKILL, which would leave its children for a moment in the way of the next start.
        """
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._leash.remove(self._process.pid)
            self._process = None

    @contextmanager
    def database(self, *options: str) -> Iterator[str]:
        """Name of a new database, gone afterwards with whoever is connected. `options` as of CREATE DATABASE."""
        name = f"test_{secrets.token_hex(4)}"
        self.psql(f"CREATE DATABASE {name} {' '.join(options)}")
        try:
            yield name
        finally:
            if self._process:
                self.psql(f"DROP DATABASE {name} WITH (FORCE)")

    def psql(self, *statements: str, database: str = "postgres") -> str:
        """Run statements as OWNER, each in a transaction of its own; answers rows as lines, columns parted by |."""
        commands = [f"--command={one}" for one in statements]
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        return self._run("psql", *options, f"--dbname={self.url(database, 'postgresql')}", *commands).strip()

    def give(self, *files: Path) -> None:
        """Copies into its data folder, readable by nobody else: certificates and keys."""
        for path in files:
            copy = Path(shutil.copy(path, self._data))
            copy.chmod(0o600)
            if self._user:
                shutil.chown(copy, self._user)

    def dump(self, database: str) -> str:
        """A back-up as an operator takes one: pg_dump, plain SQL."""
        return self._run("pg_dump", f"--dbname={self.url(database, 'postgresql')}")

    def restore(self, dumped: str, database: str) -> None:
        path = self._data.parent / "dump.sql"
        path.write_text(dumped)
        if self._user:
            shutil.chown(path, self._user)
        options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={path}")
        self._run("psql", *options, f"--dbname={self.url(database, 'postgresql')}")

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _start(self, port: int) -> bool:
        settings = [*_OPTIONS, f"port={port}", f"listen_addresses={HOST}", "unix_socket_directories=", *self.options]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), *(f"--{one}" for one in settings)]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, start_new_session=True, user=self._user, group=self._group
            )
        self._leash.add(self._process.pid)
        self.port = port
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
        self.stop()
        return False

    def _answers(self) -> bool:
        try:
            self._run("pg_isready", f"--host={HOST}", f"--port={self.port}", "--timeout=1", "--quiet")
        except subprocess.CalledProcessError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._binaries / program), *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            cwd=self._data.parent,
            user=self._user,
            group=self._group,
        ).stdout


def _somebody_else() -> str | None:
    """Whom PostgreSQL runs as when this is root; None otherwise: as ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def running_postgres(options: Sequence[str] = ()) -> Iterator[PostgresServer]:
    """A server of one's own; skips the test where there is none to run."""
    binaries = find_postgres()
    if binaries is None:
        pytest.skip(MISSING)
    leash = Leash()
    with tempfile.TemporaryDirectory(prefix="botel-postgres-", ignore_cleanup_errors=True) as directory:
        server = PostgresServer(binaries, Path(directory), leash)
        server.options += options
        try:
            server.init()
            server.start()
            yield server
        finally:
            server.stop()
            leash.close()
