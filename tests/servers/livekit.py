"""A real LiveKit server for tests: on loopback, ports of its own, gone with the test session even if that is killed.

    with running_livekit() as server:
        ...  # server.url, server.keys, server.token("room", "guest")

The server is the one that the launcher would start: see deploy.livekit.binary. Suites that need one import the
fixture `livekit_server` in their conftest. It skips when there is none, with a word that CI allows only where it cannot
be built either.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from livekit import api

from deploy.livekit.binary import LiveKitBinary, NoLiveKit, find_go, find_livekit
from deploy.livekit.config import RoomKeys, loopback_config, new_keys, write_private
from deploy.local.leash import Leash
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import ask

START_S = 20.0
_POLL_S = 0.02
_TRIES = 5


class LiveKitServer:
    """A running server. `stop` and `start` are for tests of what happens without it; rooms do not outlive it."""

    def __init__(
        self, binary: LiveKitBinary, directory: Path, leash: Leash, *, webhooks: Sequence[str] = (), log_level: str
    ) -> None:
        self.keys: RoomKeys = new_keys()
        self.port = 0
        self._binary = binary
        self._directory = directory
        self._leash = leash
        self._webhooks = webhooks
        self._log_level = log_level
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For guests and workers."""
        return f"ws://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    @property
    def env(self) -> dict[str, str]:
        """What services and LiveKit's own tools find in their environment."""
        return {"LIVEKIT_URL": self.url, "LIVEKIT_API_KEY": self.keys.key, "LIVEKIT_API_SECRET": self.keys.secret}

    def token(
        self,
        room: str,
        identity: str,
        *,
        kind: Literal["standard", "agent", "sip"] = "standard",
        metadata: str = "",
        config: api.RoomConfiguration | None = None,
    ) -> str:
        """A way into one room, for an hour. `config` takes effect when it makes the room."""
        token = (
            api.AccessToken(self.keys.key, self.keys.secret)
            .with_identity(identity)
            .with_ttl(timedelta(hours=1))
            .with_kind(kind)
            .with_metadata(metadata)
            .with_grants(api.VideoGrants(room_join=True, room=room))
        )
        return (token.with_room_config(config) if config else token).to_jwt()

    def api(self) -> api.LiveKitAPI:
        """The server's API, with every right; the caller closes it."""
        return api.LiveKitAPI(self.url, self.keys.key, self.keys.secret)

    def start(self) -> None:
        """Start, on the port of the last time if there was one; returns when it answers."""
        for _ in range(_TRIES):
            port, udp_port = free_ports(2)
            if self._start(self.port or port, udp_port):
                return
        raise RuntimeError(f"{self._binary} did not start: {self.log()[-1_000:]}")

    def stop(self) -> None:
        """Kill it: in tests no room of it is worth a farewell."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._leash.remove(self._process.pid)
            self._process = None

    def log(self) -> str:
        path = self._directory / "livekit.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _start(self, port: int, udp_port: int) -> bool:
        config = self._directory / "livekit.yaml"
        webhooks, level = self._webhooks, self._log_level
        write_private(
            config, loopback_config(self.keys, port=port, udp_port=udp_port, webhooks=webhooks, log_level=level)
        )
        with (self._directory / "livekit.log").open("ab") as out:
            command = [self._binary.path, "--config", str(config)]
            process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        self._leash.add(process.pid)
        self._process = process
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if ask(HOST, port, b"GET / HTTP/1.0\r\n\r\n").split(b" ")[1:2] == [b"200"]:
                self.port = port
                return True
            try:
                process.wait(_POLL_S)
                break
            except subprocess.TimeoutExpired:
                continue
        self.stop()
        return False


@contextmanager
def running_livekit(*, webhooks: Sequence[str] = (), log_level: str = "info") -> Iterator[LiveKitServer]:
    """A server of one's own. `NoLiveKit` when there is none to start. `webhooks`: URLs it tells of its rooms."""
    binary = find_livekit()
    leash = Leash()
    with tempfile.TemporaryDirectory(prefix="botel-livekit-") as directory:
        server = LiveKitServer(binary, Path(directory), leash, webhooks=webhooks, log_level=log_level)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            leash.close()


def need_livekit() -> None:
    """Skip the test when there is no server."""
    try:
        find_livekit()
    except NoLiveKit as error:
        pytest.skip(why_no_server(str(error), find_go()))


def why_no_server(reason: str, go: str) -> str:
    """The reason of a skip. CI allows the first only (tests.suites): where there is Go, the server must be built."""
    if not go:
        return "needs a LiveKit server: none is installed, and no Go to build one"
    return f"needs the LiveKit server that Go can build here: {reason}"


@pytest.fixture(scope="session")
def livekit_server() -> Iterator[LiveKitServer]:
    """The session's server; a test makes rooms of its own names on it."""
    need_livekit()
    with running_livekit() as server:
        yield server
