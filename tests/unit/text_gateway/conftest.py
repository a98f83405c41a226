"""The gateway's application over a bus in memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from libs.observability.health import Health
from libs.web.api_keys import ApiKeys
from services.text_gateway.app import add_voice, build
from services.text_gateway.no_rooms import NoRooms
from services.text_gateway.ports import Rooms
from services.text_gateway.settings import TextSettings, VoiceSessionSettings
from tests.unit.text_gateway.fake_bus import FakeBus
from tests.unit.text_gateway.fake_rooms import FakeCalls, FakeRooms

KEYS = ApiKeys(
    {hashlib.sha256(key.encode()).hexdigest(): one for key, one in (("ours", "harbour"), ("theirs", "hill"))}
)


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def rooms() -> FakeRooms:
    return FakeRooms()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def calls() -> FakeCalls:
    return FakeCalls()


@pytest.fixture
async def client(bus: FakeBus) -> AsyncIterator[httpx.AsyncClient]:
    """Of a gateway without LiveKit."""
    async with _serving(bus, NoRooms(), FakeCalls(), CollectorRegistry()) as made:
        yield made


@pytest.fixture
async def caller(
    bus: FakeBus, rooms: FakeRooms, calls: FakeCalls, registry: CollectorRegistry
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a gateway with rooms."""
    async with _serving(bus, rooms, calls, registry) as made:
        yield made


@contextlib.asynccontextmanager
async def _serving(
    bus: FakeBus, rooms: Rooms, calls: FakeCalls, registry: CollectorRegistry
) -> AsyncIterator[httpx.AsyncClient]:
    settings = TextSettings(reply_timeout_s=0.05, max_streams=2)
    app = build(settings, KEYS, bus, bus, Health(registry), registry, asyncio.Event())
    add_voice(app, bus, rooms, calls, registry, VoiceSessionSettings(max_webhook_bytes=16_384))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://text", headers={"Authorization": "Bearer ours"}
    ) as made:
        yield made
