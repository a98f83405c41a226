"""What the calls run on: LiveKit, Redis, a brain, our gateway, and the peer's agent server; all real, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks.voice.plan import GREETING, VOICE_RATE
from deploy.local.leash import Leash
from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.settings import BusSettings
from libs.observability.metrics import BusMetrics
from tests.servers.livekit import LiveKitServer, running_livekit
from tests.servers.redis import RedisServer, running_redis

ROOT = Path(__file__).resolve().parents[2]
_READY_S = 60.0
_END_S = 40.0
_LOOK_S = 0.1
_HASTY = {
    "BOTEL_CALL_AFTER_HANG_UP_S": "0.2",
    "BOTEL_CALL_GREETING": GREETING,
    "BOTEL_LOCAL_VOICE_RATE": f"{VOICE_RATE}",
}
"""A guest of the bench who hangs up does not come back, and the next call is waited for."""


class Service:
    """One process, told to be ready by a line of its log."""

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], log: Path, ready: str) -> None:
        self.name, self._command, self._env, self.log, self._ready = name, command, env, log, ready
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    async def start(self, leash: Leash) -> None:
        """`RuntimeError` with the end of the log when it ends instead of being ready."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, env=self._env, stdout=out, stderr=out, start_new_session=True
            )
        leash.add(self._process.pid)
        async with asyncio.timeout(_READY_S):
            while self._ready not in self.log.read_text(errors="replace")[begin:]:
                if self._process.returncode is not None:
                    raise RuntimeError(f"{self.name} ended: {self.log.read_text(errors='replace')[-2_000:]}")
                await asyncio.sleep(_LOOK_S)

    async def stop(self, leash: Leash) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _END_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._process:
            leash.remove(self._process.pid)
            self._process = None


class VoiceStack:
    """Use `running_voice_stack`."""

    def __init__(self, livekit: LiveKitServer, redis: RedisServer, bus: Bus, directory: Path, leash: Leash) -> None:
        self.livekit, self.redis, self.directory = livekit, redis, directory
        self.conversations = Conversations(bus)
        self._leash = leash
        self._env = {
            **os.environ,
            **livekit.env,
            **_HASTY,
            "REDIS_URL": redis.url,
            "BOTEL_HOTEL_PATH": str(directory / "hotel.sqlite3"),
            "BOTEL_HEALTH_PORT": "0",
            "BOTEL_VOICE_PORT": "0",
            "BOTEL_STT": "local",
            "BOTEL_TTS": "local",
            "BOTEL_LOG_FORMAT": "text",
        }
        self._token_s = 0.0
        self.brain = self._brain(self._token_s)
        self.gateway = self._service("voice_gateway", "services.voice_gateway", ready="registered worker")
        self.peer = self._service("peer", "benchmarks.voice.peer", str(directory), ready="registered worker")

    async def start(self) -> None:
        await asyncio.gather(*(service.start(self._leash) for service in (self.brain, self.gateway, self.peer)))

    async def set_pace(self, token_s: float) -> None:
        """A fresh brain, whose model takes so long per word, unless it does already."""
        if token_s == self._token_s:
            return
        self._token_s = token_s
        await self.brain.stop(self._leash)
        self.brain = self._brain(token_s)
        await self.brain.start(self._leash)

    async def stop(self) -> None:
        await asyncio.gather(*(service.stop(self._leash) for service in (self.gateway, self.peer, self.brain)))

    def _brain(self, token_s: float) -> Service:
        return self._service("brain", "services.brain", ready="brain ready", BRAIN_OFFLINE_TOKEN_S=f"{token_s:g}")

    def _service(self, name: str, module: str, *arguments: str, ready: str, **env: str) -> Service:
        command = [sys.executable, "-m", module, *arguments]
        return Service(name, command, {**self._env, **env}, self.directory / f"{name}.log", ready)


@contextlib.asynccontextmanager
async def running_voice_stack(directory: Path) -> AsyncIterator[VoiceStack]:
    """Everything started afresh; logs and journals stay in `directory`. `NoLiveKit` when there is no server."""
    leash = Leash()
    try:
        with running_livekit(log_level="warn") as livekit, running_redis() as redis:
            settings = BusSettings(redis_url=SecretStr(redis.url))
            async with Bus(settings, BusMetrics(CollectorRegistry()), "bench-voice") as bus:
                stack = VoiceStack(livekit, redis, bus, directory, leash)
                try:
                    await stack.start()
                    yield stack
                finally:
                    await stack.stop()
    finally:
        leash.close()
