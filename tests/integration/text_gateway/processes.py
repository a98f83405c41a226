"""Text gateways as processes of their own, to be killed."""

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
KEY = {"Authorization": "Bearer development"}


class GatewayProcess:
    """One `python -m services.text_gateway`; `client` talks to it."""

    def __init__(self, process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
        self.process, self.client = process, client

    async def ready(self) -> bool:
        try:
            return (await self.client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            assert self.process.returncode is None, "the gateway has ended"
            return False

    async def kill(self) -> None:
        """As `kill -9`."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


async def start_gateway(redis_url: str, log: Path = Path(os.devnull), /, **env: str) -> GatewayProcess:
    """Not ready yet. `log` takes its standard error."""
    port = free_port()
    given = {
        "REDIS_URL": redis_url,
        "BOTEL_API_KEY": "development",
        "BOTEL_TEXT_PORT": str(port),
        "BOTEL_LOG_FORMAT": "json",
    }
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.text_gateway"),
            cwd=ROOT,
            env={**os.environ, **given, **env},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
        )
    return GatewayProcess(process, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY, timeout=30))


@contextlib.asynccontextmanager
async def running_gateways(
    count: int, redis_url: str, log: Path = Path(os.devnull), /, **env: str
) -> AsyncIterator[list[GatewayProcess]]:
    """So many gateways, ready; killed at the end."""
    gateways = [await start_gateway(redis_url, log, **env) for _ in range(count)]
    try:
        for gateway in gateways:
            await eventually(gateway.ready, within_s=120)
        yield gateways
    finally:
        for gateway in gateways:
            await gateway.kill()
            await gateway.client.aclose()
