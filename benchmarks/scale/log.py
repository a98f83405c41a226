"""Reads back every conversation from the context store, once it has them all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import aiohttp

from benchmarks.scale.plan import KEY

_AT_ONCE = 8
_PAGE = 500
_LATER = (429, 503)
"""Asked too fast, or Redis away for a moment."""
_PATIENCE_S = 60.0
_LOOK_S = 0.5
History = list[dict[str, Any]]


async def read_log(session: aiohttp.ClientSession, store_url: str, conversations: Iterable[str]) -> dict[str, History]:
    """Events by conversation. What the store has from Redis only is in it as well: nothing has to settle first."""
    places = asyncio.Semaphore(_AT_ONCE)
    found: dict[str, History] = {}

    async def read(conversation: str) -> None:
        async with places:
            found[conversation] = await _events(session, store_url, conversation)

    async with asyncio.TaskGroup() as reading:
        for conversation in conversations:
            reading.create_task(read(conversation))
    return found


async def _events(session: aiohttp.ClientSession, store_url: str, conversation: str) -> History:
    url = f"{store_url}/conversations/{conversation}/events?limit={_PAGE}"
    headers = {"Authorization": f"Bearer {KEY}"}
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            async with session.get(url, headers=headers) as response:
                if response.status not in _LATER:
                    response.raise_for_status()
                    body = await response.json()
                    if body["complete"]:
                        events: History = body["events"]
                        return events
                pause_s = float(response.headers.get("Retry-After", _LOOK_S))
            await asyncio.sleep(pause_s)
