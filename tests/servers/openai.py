"""The local OpenAI-compatible server on a free port, in the test's own loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.brain.openai_server.server import Knobs, LocalOpenAI
from tests.servers.asgi import serving


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
    async with serving(local.app) as origin:
        yield RunningOpenAI(local, origin)
