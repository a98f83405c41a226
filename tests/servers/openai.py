"""The local OpenAI-compatible server on a free port, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass

import uvicorn

from libs.observability.health import listen
from services.brain.openai_server.server import Knobs, LocalOpenAI


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@dataclass(frozen=True)
class RunningOpenAI:
    server: LocalOpenAI
    origin: str

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"


@contextlib.asynccontextmanager
async def running_openai(knobs: Knobs | None = None) -> AsyncIterator[RunningOpenAI]:
    """Serve until the block ends."""
    local = LocalOpenAI(knobs)
    sock = listen("127.0.0.1", 0)
    server = _Server(uvicorn.Config(local.app, log_level="critical", access_log=False, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield RunningOpenAI(local, f"http://127.0.0.1:{sock.getsockname()[1]}")
    finally:
        server.should_exit = True
        server.force_exit = True
        await serving
        sock.close()
