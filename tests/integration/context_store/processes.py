"""The context store as a process of its own, to be killed and to be starved."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from deploy.local.ports import free_port
from tests.eventually import eventually

ROOT = Path(__file__).parents[3]


class StoreProcess:
    """`python -m services.context_store` over one database file; may be started again after it was killed."""

    def __init__(self, redis_url: str, path: Path) -> None:
        self._port = free_port()
        self._env = {
            "REDIS_URL": redis_url,
            "BOTEL_API_KEY": "development",
            "BOTEL_STORE_PORT": str(self._port),
            "BOTEL_STORE_PATH": str(path),
            "BOTEL_STORE_LAG_EVERY_S": "0.1",
        }
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}", headers={"Authorization": "Bearer development"}
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.context_store"),
            cwd=ROOT,
            env={**os.environ, **self._env},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await eventually(self.ready, within_s=120)

    async def ready(self) -> bool:
        assert self.process
        assert self.process.returncode is None, "the store has ended"
        try:
            return (await self.client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def kill(self) -> None:
        """As `kill -9`."""
        if self.process and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


@contextlib.asynccontextmanager
async def store_process(redis_url: str, path: Path) -> AsyncIterator[StoreProcess]:
    """Ready; killed at the end."""
    store = StoreProcess(redis_url, path)
    try:
        await store.start()
        yield store
    finally:
        await store.kill()
        await store.client.aclose()
