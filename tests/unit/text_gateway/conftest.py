"""The gateway's application over a bus in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from libs.observability.health import Health
from libs.web.api_keys import ApiKeys
from services.text_gateway.app import build
from services.text_gateway.settings import TextSettings
from tests.unit.text_gateway.fake_bus import FakeBus

KEYS = ApiKeys(
    {hashlib.sha256(key.encode()).hexdigest(): one for key, one in (("ours", "harbour"), ("theirs", "hill"))}
)


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
async def client(bus: FakeBus) -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    settings = TextSettings(reply_timeout_s=0.05, max_streams=2)
    app = build(settings, KEYS, bus, bus, Health(registry), registry, asyncio.Event())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://text", headers={"Authorization": "Bearer ours"}
    ) as made:
        yield made
