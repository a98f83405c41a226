"""How the launcher sees that a process can do its work. Standard library only; every probe ends within its timeout."""

from __future__ import annotations

import asyncio
import functools

from deploy.local.ports import HOST
from deploy.local.process import Probe
from deploy.local.redis_server import ping

TIMEOUT_S = 3.0


async def http_status(port: int, path: str) -> int:
    """Status of a GET on loopback; 0 when nobody answers in time."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                words = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return 0
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def http_ready(port: int, path: str) -> Probe:
    """Ready when `path` answers 200."""

    async def probe() -> bool:
        return await http_status(port, path) == 200

    return probe


def redis_ready(port: int, login: str) -> Probe:
    """Ready when PING is answered to this `user password`, which is after the data is loaded."""

    async def probe() -> bool:
        return await asyncio.to_thread(functools.partial(ping, HOST, port, login=login, timeout_s=TIMEOUT_S))

    return probe
