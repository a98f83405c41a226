"""A hotel on a fixed Sunday evening, and a concierge by each kind of model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest
from pydantic import SecretStr

from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.models import http_client, make_model
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.pms.sample import harbour
from services.brain.settings import ModelKind, ModelSettings
from tests.servers.openai import RunningOpenAI, running_openai

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
"""A Sunday; guest-204 leaves tomorrow."""


@pytest.fixture
def pms() -> MemoryPms:
    return MemoryPms(harbour(NOW.date()), lambda: NOW)


@pytest.fixture
def offline(pms: MemoryPms) -> Concierge:
    return Concierge(OwnAgent(OfflineChatModel()), pms, model_name="offline", clock=lambda: NOW)


@pytest.fixture
async def openai_server() -> AsyncIterator[RunningOpenAI]:
    async with running_openai() as running:
        yield running


@pytest.fixture
def openai_settings(openai_server: RunningOpenAI) -> ModelSettings:
    return ModelSettings(
        kind=ModelKind.OPENAI,
        openai_base_url=openai_server.url,
        openai_api_key=SecretStr("sk-local"),
        timeout_s=5,
        gap_s=2,
    )


@pytest.fixture
async def http(openai_settings: ModelSettings) -> AsyncIterator[httpx2.AsyncClient]:
    async with http_client(openai_settings) as client:
        yield client


@pytest.fixture
def over_http(pms: MemoryPms, openai_settings: ModelSettings, http: httpx2.AsyncClient) -> Concierge:
    """The real ChatOpenAI client against the local server."""
    return Concierge(OwnAgent(make_model(openai_settings, http)), pms, clock=lambda: NOW)


@pytest.fixture(params=["offline", "openai"])
def concierge(request: pytest.FixtureRequest) -> Concierge:
    """Both: the same conversation must come out."""
    found = request.getfixturevalue("offline" if request.param == "offline" else "over_http")
    assert isinstance(found, Concierge)
    return found
