"""A real Redis for tests: own port, nothing kept, gone with the test session even if that is killed."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_port
from deploy.local.redis_server import RedisBinary, ask, find_redis, ping, redis_command

START_S = 15.0


class RedisServer:
    """A running server. `stop` and `start` are for tests of what happens without it."""

    def __init__(self, binary: RedisBinary, directory: Path, leash: Leash, *, durable: bool = False) -> None:
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
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start, on the port of the last time if there was one; returns when it answers."""
        for _ in range(5):
            if self._start(self.port or free_port()):
                return
        raise RuntimeError(f"{self.binary} did not start: {self.log()[-500:]}")

    def stop(self) -> None:
        """Kill it: in tests nothing of it is worth a farewell."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._leash.remove(self._process.pid)
            self._process = None

    def flush(self) -> None:
        assert self.ask("FLUSHALL").startswith(b"+OK")

    def ask(self, command: str) -> bytes:
        """The beginning of the raw answer to an inline command."""
        return ask(HOST, self.port, command.encode() + b"\r\n")

    def log(self) -> str:
        path = self._directory / "redis.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _start(self, port: int) -> bool:
        command = redis_command(self.binary, port=port, directory=self._directory, durable=self._durable)
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


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the process's end, but not longer than this."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


@contextmanager
def running_redis(*, durable: bool = False, binary: RedisBinary | None = None) -> Iterator[RedisServer]:
    """A server of one's own, for a test that stops it or needs its data kept over a restart."""
    leash = Leash()
    with tempfile.TemporaryDirectory(prefix="botel-redis-") as directory:
        server = RedisServer(binary or find_redis(), Path(directory), leash, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            leash.close()
