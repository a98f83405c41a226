"""A running text gateway and a brain on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx
import msgspec
from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from libs.rooms import RoomSettings
from libs.web.api_keys import ApiKeySettings
from libs.web.rates import RateSettings
from services.text_gateway.app import run
from services.text_gateway.settings import TextSettings, VoiceSessionSettings

KEYS = ApiKeySettings(api_key=SecretStr("development"))
CHAT = "/llm/conversations/"


def bus_settings(url: str, *, command_timeout_ms: int = 5_000, lease_ms: int = 900) -> BusSettings:
    """Little patience is for a test that takes Redis away: a machine that stalls is not to look so."""
    return BusSettings(
        redis_url=SecretStr(url),
        command_timeout_ms=command_timeout_ms,
        lease_ms=lease_ms,
        block_ms=50,
        poll_ms=200,
    )


class Gateway:
    def __init__(self, client: httpx.AsyncClient, stop: asyncio.Event, service: asyncio.Task[None]) -> None:
        self.client = client
        self.stop = stop
        self.service = service

    async def open_streams(self) -> float:
        metrics = (await self.client.get("/metrics")).text
        (line,) = [line for line in metrics.splitlines() if line.startswith("botel_http_open_streams ")]
        return float(line.split()[1])


@contextlib.asynccontextmanager
async def running_gateway(
    url: str,
    bus: BusSettings | None = None,
    *,
    room_settings: RoomSettings | None = None,
    session_settings: VoiceSessionSettings | None = None,
    rate_settings: RateSettings | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Started on a free port; stopped in good order at the end. `bus`: other settings of the bus than the usual."""
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    made = TextSettings(**{"port": 0, "grace_s": 5, **settings})
    serving = run(
        made,
        bus or bus_settings(url),
        KEYS,
        stop,
        bound.set_result,
        room_settings=room_settings,
        session_settings=session_settings,
        rate_settings=rate_settings,
    )
    service = asyncio.create_task(serving)
    await asyncio.wait({service, bound}, return_when=asyncio.FIRST_COMPLETED)
    if service.done():
        await service
    base = f"http://127.0.0.1:{bound.result()}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": "Bearer development"}, timeout=20) as client:
        yield Gateway(client, stop, service)
    stop.set()
    async with asyncio.timeout(10):
        await service


class Concierge:
    """A brain that answers `first`, then `last` once `go_on` is set; the message's own words are in between.

    A run after the first one goes on after `first`.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.asked.append(turn.message.text)
        if not turn.offset:
            yield "You said "
        await self.go_on.wait()
        yield turn.message.text
        yield Done(model="test")


@contextlib.asynccontextmanager
async def running_brain(url: str, concierge: Concierge) -> AsyncIterator[Worker]:
    """No brain dies here, and none is taken for dead."""
    async with Bus(bus_settings(url, lease_ms=60_000), name="brain") as bus:
        worker = Worker(bus, new_id("brain"), concierge, slots=8)
        await worker.start()
        yield worker
        await worker.drain(0)


async def keys_of_conversations(redis_url: str) -> set[str]:
    """What Redis holds of conversations that a gateway has opened."""
    async with Bus(bus_settings(redis_url), name="test") as bus:
        (keys,) = bus.shards
        found = await bus.commands.send("KEYS", f"{keys.prefix}*conv-*")
        return {key.decode() for key in found}


class Received(msgspec.Struct, frozen=True):
    """One server-sent event."""

    event: str
    id: str
    data: dict[str, Any]


async def received(response: httpx.Response) -> AsyncIterator[Received | None]:
    """Events as they arrive; None for a heartbeat."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            yield None
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Received(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
            fields = {}
