"""Voice gateways as processes of their own, and a caller at their audio door."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from deploy.local.ports import free_port
from services.voice_gateway.audio import FRAME_BYTES, SAMPLE_RATE
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.resampling import resample
from tests.eventually import eventually
from tests.integration.voice_gateway.callers import GUEST

ROOT = Path(__file__).parents[3]


class VoiceProcess:
    def __init__(self, process: asyncio.subprocess.Process, port: int, http: aiohttp.ClientSession) -> None:
        self.process, self._http = process, http
        self._base = f"http://127.0.0.1:{port}"

    async def readiness(self) -> tuple[int, dict[str, str]]:
        """Status and checks; status 0 while it does not listen."""
        try:
            async with self._http.get(f"{self._base}/readyz") as answer:
                return answer.status, (await answer.json())["checks"]
        except aiohttp.ClientConnectionError:
            assert self.process.returncode is None, "the gateway has ended"
            return 0, {}

    def call(self) -> Any:
        """A WebSocket at the door, to be entered."""
        return self._http.ws_connect(f"{self._base}/call")

    async def kill(self) -> None:
        """As `kill -9`."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@contextlib.asynccontextmanager
async def running_voice(
    count: int, redis_url: str, log: Path = Path(os.devnull), /, **env: str
) -> AsyncIterator[list[VoiceProcess]]:
    """So many gateways with keyless speech, ready; killed at the end. `log` takes their standard error."""
    async with aiohttp.ClientSession() as http:
        gateways = [await _start(redis_url, http, log, env) for _ in range(count)]
        try:
            for gateway in gateways:
                await eventually(gateway.readiness, lambda ready: ready[0] == 200, within_s=120)
            yield gateways
        finally:
            for gateway in gateways:
                await gateway.kill()


async def _start(redis_url: str, http: aiohttp.ClientSession, log: Path, env: dict[str, str]) -> VoiceProcess:
    port = free_port()
    given = {
        "REDIS_URL": redis_url,
        "BOTEL_VOICE_PORT": str(port),
        "BOTEL_STT": "local",
        "BOTEL_TTS": "local",
        "BOTEL_CALL_GREETING": "off",
        "BOTEL_LOG_FORMAT": "json",
    }
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.voice_gateway"),
            cwd=ROOT,
            env={**os.environ, **given, **env},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
        )
    return VoiceProcess(process, port, http)


class Caller:
    """One call: speaks, and reads what comes."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def hello(self, **who: str) -> dict[str, Any]:
        """Say who calls; the first event."""
        await self.socket.send_json({"property_id": "harbour", **who})
        return await self.until("ready", "refused")

    async def say(self, text: str, espeak: Espeak) -> None:
        said = espeak.synthesise(text, GUEST)
        pcm = resample(said.pcm, said.sample_rate, SAMPLE_RATE)
        for at in range(0, len(pcm), 50 * FRAME_BYTES):
            await self.socket.send_bytes(pcm[at : at + 50 * FRAME_BYTES])

    async def until(self, *kinds: str) -> dict[str, Any]:
        """The next event of such a kind; {} when the call breaks off before."""
        async for message in self.socket:
            if message.type is WSMsgType.TEXT:
                event: dict[str, Any] = json.loads(message.data)
                self.events.append(event)
                if event["type"] in kinds:
                    return event
        return {}
