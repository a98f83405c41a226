"""The native stack with real services: a brain killed in mid-sentence, and history after Redis was emptied."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.env import without_settings
from deploy.local.redis_server import find_redis
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from libs.observability import names
from tests.eventually import eventually
from tests.servers.postgres import running_postgres

KEY = "dev-end-to-end"
HEADERS = {"Authorization": f"Bearer {KEY}"}
LONG_QUESTION = "I would like to hear about the pool and the spa."
_SERVICES = [service for service in SERVICES if service.name != "voice_gateway"]


def new_stack(folder: Path, brains: int, **env: str) -> Stack:
    base = {**without_settings(os.environ), "BOTEL_API_KEY": KEY, **env}
    return Stack(folder, env=base, redis=find_redis(base), brains=brains, services=_SERVICES)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


def body(message: str, customer: str = "guest-204") -> dict[str, str]:
    return {"propertyId": "harbour", "customerId": customer, "message": message}


async def ask(http: aiohttp.ClientSession, stack: Stack, message: str) -> dict[str, Any]:
    async with http.post(f"{stack.text_url}/llm/conversations/", json=body(message)) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
        return answer


async def chunks_of(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Name and data of each server-sent event."""
    name = ""
    async for raw in response.content:
        field, _, value = raw.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@pytest.mark.long
async def test_a_brain_killed_in_mid_sentence_does_not_cost_a_word(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with new_stack(tmp_path, 2, BRAIN_OFFLINE_TOKEN_S="0.05") as stack:
        whole = (await ask(http, stack, LONG_QUESTION))["response"]
        stack.process("brain-2").signal(signal.SIGSTOP)  # so that it is brain-1 that answers
        text, at_kill = "", 0
        stream = {"Accept": "text/event-stream"}
        url = f"{stack.text_url}/llm/conversations/"
        async with http.post(url, json=body(LONG_QUESTION, "guest-301"), headers=stream) as response:
            async for name, data in chunks_of(response):
                if name == "chunk":
                    text += data["text"]
                if not at_kill and len(text) > 60:
                    at_kill = len(text)
                    stack.process("brain-2").signal(signal.SIGCONT)
                    stack.process("brain-1").signal(signal.SIGKILL)
                if name == "end":
                    break
        assert 0 < at_kill < len(whole) / 2
        assert text == whole


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of the store."""
    if request.param == "sqlite":
        yield {}
        return
    with running_postgres() as server, server.database() as name:
        yield {"BOTEL_STORE_DATABASE_URL": server.url(name)}


async def test_history_outlives_redis(tmp_path: Path, http: aiohttp.ClientSession, database: dict[str, str]) -> None:
    async with new_stack(tmp_path, 1, **database) as stack:
        conversation = (await ask(http, stack, "What time is breakfast?"))["conversationId"]
        await ask(http, stack, "Is there parking?")
        before = await eventually(
            lambda: _messages(http, stack, conversation),
            lambda found: sum(one["role"] == "concierge" for one in found) == 2,
        )
        # The history is read from both: what is in Redis only, so far, is lost below.
        count = len(await _events(http, stack, conversation))
        await eventually(lambda: _archived(http, stack), lambda found: found >= count)
    shutil.rmtree(tmp_path / "redis")
    async with new_stack(tmp_path, 1, **database) as stack:
        assert await _messages(http, stack, conversation) == before
    assert (tmp_path / "store.sqlite3").exists() is not bool(database)


async def _messages(http: aiohttp.ClientSession, stack: Stack, conversation: str) -> list[dict[str, Any]]:
    async with http.get(f"{stack.store_url}/conversations/{conversation}/messages") as response:
        found: list[dict[str, Any]] = (await response.json())["messages"]
        return found


async def _events(http: aiohttp.ClientSession, stack: Stack, conversation: str) -> list[dict[str, Any]]:
    async with http.get(f"{stack.store_url}/conversations/{conversation}/events") as response:
        found: list[dict[str, Any]] = (await response.json())["events"]
        return found


async def _archived(http: aiohttp.ClientSession, stack: Stack) -> float:
    """Events that the store has written."""
    async with http.get(f"{stack.store_url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        samples = [sample for family in families for sample in family.samples]
    return sum(one.value for one in samples if one.name == names.STORE_EVENTS and one.labels["outcome"] == "new")


async def test_the_agent_that_the_readme_names_answers(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with new_stack(tmp_path, 1, BRAIN_AGENT="examples.florist:make_agent") as stack:
        answer = await ask(http, stack, "Do you have roses?")
    assert answer["response"] == "You asked: Do you have roses? We have red roses today."
