"""A master, its replica and three sentinels on loopback, of Redis or Valkey: tests use it as one server.

The sentinels know each other and the replica from the start; only what a test does to them takes time.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import RedisBinary, ask
from tests.servers.redis import START_S, RedisServer, chosen_binary

SERVICE = "botel"
SENTINELS = 3
_PATIENT_MS, _IMPATIENT_MS = 20_000, 500
_PAUSE = threading.Event()
"""Never set: waiting on it gives way."""
_REPLICATION = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class SentinelRedis(RedisServer):
    """It is itself the first master, which `stop` kills and `start` starts again; `url` leads to whoever is master."""

    def __init__(
        self, binary: RedisBinary, directory: Path, leash: Leash, *, durable: bool = False, down_after_ms: int
    ) -> None:
        for name in ("master", "replica"):
            (directory / name).mkdir()
        super().__init__(binary, directory / "master", leash, durable=durable, options=_REPLICATION)
        self.replica = RedisServer(binary, directory / "replica", leash, durable=durable, options=_REPLICATION)
        self.sentinels: list[RedisServer] = []
        self._root, self._all_on_leash = directory, leash
        self._down_after_ms = down_after_ms

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def master_port(self) -> int:
        """Whom the sentinels name now; 0 when they do not agree."""
        named = {_named_by(one.port) for one in self.sentinels}
        return named.pop() if len(named) == 1 else 0

    def start_all(self) -> None:
        """Returns when a failover would work."""
        self.start()
        self.replica.options += ["--replicaof", f"{HOST} {self.port}"]
        self.replica.start()
        wait_for(lambda: b"master_link_status:up" in self.replica.ask("INFO replication"), "the replica has no data")
        ports = free_ports(SENTINELS)
        for port in ports:
            sentinel = _Sentinel(self.binary, self._root / str(port), self._all_on_leash)
            sentinel.configure(port, ports, self.port, self.replica.port, self._down_after_ms)
            self.sentinels.append(sentinel)
            sentinel.start()
        for one in self.sentinels:
            wait_for(partial(_is_ready, one), "a sentinel does not see the others or the replica")

    def stop_all(self) -> None:
        for server in (*self.sentinels, self.replica, self):
            RedisServer.stop(server)

    def lose_patience(self) -> None:
        """For the fault to come. Patient until then: a machine that stalls would look like a master that is away."""
        for one in self.sentinels:
            told = one.ask(f"SENTINEL SET {SERVICE} down-after-milliseconds {_IMPATIENT_MS}")
            assert told.startswith(b"+OK"), told

    def flush(self) -> None:
        """Of whoever is master: a slow machine may have had a failover."""
        answers = [server.ask("FLUSHALL") for server in (self, self.replica)]
        assert any(answer.startswith(b"+OK") for answer in answers), answers

    def wait_for_failover(self) -> None:
        """Until all sentinels name the replica."""
        wait_for(lambda: self.master_port == self.replica.port, "no failover")


class _Sentinel(RedisServer):
    """A sentinel: a server with a configuration file that it writes itself."""

    def __init__(self, binary: RedisBinary, directory: Path, leash: Leash) -> None:
        directory.mkdir()
        super().__init__(binary, directory, leash)
        self._file = directory / "sentinel.conf"

    def configure(self, port: int, all_ports: list[int], master: int, replica: int, down_after_ms: int) -> None:
        others = (one for one in all_ports if one != port)
        lines = [
            f"sentinel myid {_identity(port)}",
            f"sentinel monitor {SERVICE} {HOST} {master} {SENTINELS // 2 + 1}",
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel known-replica {SERVICE} {HOST} {replica}",
            *(f"sentinel known-sentinel {SERVICE} {HOST} {one} {_identity(one)}" for one in others),
        ]
        self._file.write_text("\n".join(lines) + "\n")
        self.port = port

    def _command(self, port: int) -> list[str]:
        place = ("--port", str(port), "--bind", HOST, "--dir", str(self._directory))
        return [self.binary.path, str(self._file), "--sentinel", *place, "--daemonize", "no", "--logfile", ""]


def _identity(port: int) -> str:
    return hashlib.sha1(str(port).encode(), usedforsecurity=False).hexdigest()


def _named_by(sentinel_port: int) -> int:
    answer = ask(HOST, sentinel_port, f"SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}\r\n".encode())
    parts = answer.split(b"\r\n")
    return int(parts[4]) if len(parts) > 4 else 0


def _is_ready(sentinel: RedisServer) -> bool:
    if not sentinel.ask(f"SENTINEL CKQUORUM {SERVICE}").startswith(b"+OK"):
        return False
    told = sentinel.ask(f"SENTINEL REPLICAS {SERVICE}")
    return b"master-link-status\r\n$2\r\nok" in told and b"s_down" not in told


def wait_for(condition: Callable[[], bool], otherwise: str, within_s: float = 2 * START_S) -> None:
    """For servers: blocks. `RuntimeError` after the time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {within_s} s: {otherwise}")
        _PAUSE.wait(0.05)


@contextmanager
def running_sentinel(
    *, durable: bool = False, binary: RedisBinary | None = None, down_after_ms: int = _PATIENT_MS
) -> Iterator[SentinelRedis]:
    """All of it, gone at the end. `down_after_ms`: how long a master may be silent before it is replaced."""
    leash = Leash()
    with tempfile.TemporaryDirectory(prefix="botel-sentinel-") as directory:
        server = SentinelRedis(
            binary or chosen_binary(), Path(directory), leash, durable=durable, down_after_ms=down_after_ms
        )
        try:
            server.start_all()
            yield server
        finally:
            server.stop_all()
            leash.close()
