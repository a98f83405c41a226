"""A conversation is retired and its guest comes back: the same one, numbers and epochs go on, nothing is forgotten.

A real store, gateway and brain handler on a real Redis; the store's clock runs ahead when a test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.handler import Turn
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from libs.web.api_keys import ConfigurationError
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.earlier import earlier_events
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.pms.sample import harbour
from tests.eventually import eventually
from tests.integration.context_store.test_live import numbers, running_store, stored
from tests.integration.text_gateway.gateway import CHAT, Gateway, running_gateway
from tests.integration.text_gateway.reader import Reader

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
DAY_MS = 86_400_000
GUEST = {"customerId": "guest-204"}


class Clock:
    """The wall's, and some days more."""

    days = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.days * DAY_MS


class Listening(Concierge):
    """The concierge, and what its agent was told for each turn."""

    told: list[list[str]]

    async def _prepare(self, turn: Turn) -> tuple[Any, Any]:
        context, messages = await super()._prepare(turn)
        self.told.append([str(message.content) for message in messages])
        return context, messages


class House:
    """What a test needs of everybody."""

    def __init__(self, bus: Bus, gateway: Gateway, store: httpx.AsyncClient, brain: Listening, clock: Clock) -> None:
        self.bus, self.gateway, self.store, self.brain, self.clock = bus, gateway, store, brain, clock

    async def say(self, text: str) -> dict[str, Any]:
        answer = await self.gateway.client.post(CHAT, json={**GUEST, "message": text})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def keys(self) -> list[str]:
        return sorted(key.decode().removeprefix("botel:{0}:") for key in await self.bus.commands.send("KEYS", "*"))

    async def field(self, conversation_id: str, name: str) -> bytes | None:
        found: bytes | None = await self.bus.commands.send("HGET", f"botel:{{0}}:conv:{conversation_id}", name)
        return found

    async def retire(self, conversation_id: str) -> None:
        """Weeks pass, and nobody follows."""
        await self.bus.commands.send("DEL", f"botel:{{0}}:subs:{conversation_id}")  # as if they had run out

        async def gone() -> bool:
            self.clock.days += 8
            return await self.field(conversation_id, "st") is None

        await eventually(gone)


@contextlib.asynccontextmanager
async def running_house(redis_url: str, path: Path, store_url: str = "") -> AsyncIterator[House]:
    """`store_url`: where the brain asks, if not at the store."""
    settings = BusSettings(redis_url=SecretStr(redis_url), command_timeout_ms=2_000, block_ms=50)
    pms, clock = MemoryPms(harbour(NOW.date()), lambda: NOW), Clock()
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            running_store(redis_url, path, clock, retire_after_s=7 * 86_400, retire_every_s=0.02)
        )
        earlier = await stack.enter_async_context(
            earlier_events(store_url or str(store.base_url), {"harbour": "development"}, limit=400, timeout_s=5)
        )
        brain = Listening(OwnAgent(OfflineChatModel()), pms, model_name="offline", clock=lambda: NOW, earlier=earlier)
        brain.told = []
        bus = await stack.enter_async_context(Bus(settings))
        worker = Worker(bus, new_id("brain"), brain.answer, slots=4)
        await worker.start()
        stack.push_async_callback(worker.drain, 0)
        gateway = await stack.enter_async_context(running_gateway(redis_url))
        yield House(bus, gateway, store, brain, clock)


@pytest.fixture
async def house(redis_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(redis_url, tmp_path / "store.sqlite3") as made:
        yield made


async def test_a_returning_guest_finds_the_same_conversation_and_a_concierge_who_remembers(house: House) -> None:
    first = await house.say("My son Oskar has a birthday tomorrow.")
    conversation_id = first["conversationId"]
    epoch = int(await house.field(conversation_id, "ep") or 0)
    await house.retire(conversation_id)

    again = await house.say("Thank you.")

    assert again["conversationId"] == conversation_id
    assert await house.field(conversation_id, "n") == b"5"
    assert int(await house.field(conversation_id, "ep") or 0) > epoch
    assert any("Oskar" in line for line in house.brain.told[-1]), "the model is shown what was said"
    await eventually(lambda: stored(house.store), lambda number: number == 5)
    assert await numbers(house.store, conversation_id) == [1, 2, 3, 4, 5]
    lines = (await house.store.get(f"/conversations/{conversation_id}/messages")).json()["messages"]
    assert [line["role"] for line in lines] == ["guest", "concierge", "guest", "concierge"]


async def test_twice_retired_all_of_it_is_there(house: House) -> None:
    conversation_id = (await house.say("My son Oskar has a birthday tomorrow."))["conversationId"]
    await house.retire(conversation_id)
    await house.say("And my daughter Frida comes on Friday.")
    await house.retire(conversation_id)

    await house.say("Thank you.")

    told = " ".join(house.brain.told[-1])
    assert "Oskar" in told
    assert "Frida" in told
    assert await house.field(conversation_id, "n") == b"7"


async def test_of_a_retired_conversation_its_head_identity_and_context_stay_and_nothing_else(house: House) -> None:
    conversation_id = (await house.say("Thank you."))["conversationId"]
    await house.retire(conversation_id)

    left = [key for key in await house.keys() if conversation_id in key or key.startswith("open:")]
    expiring = [key for key in left if await house.bus.commands.send("PTTL", f"botel:{{0}}:{key}") > 0]

    assert sorted(set(left) - set(expiring)) == [f"context:{conversation_id}", "open:harbour/customer/guest-204"]
    assert all(key.startswith("seen:") for key in expiring)
    assert await house.bus.commands.send("HKEYS", "botel:{0}:heads") == [conversation_id.encode()]


async def test_what_was_retired_is_told_to_a_client_that_resumes_before_it(house: House) -> None:
    conversation_id = (await house.say("Thank you."))["conversationId"]
    await house.retire(conversation_id)
    reader = Reader()
    reader.conversation_id, reader.last_id = conversation_id, "1"

    async def follow() -> None:
        await reader.follow(house.gateway.client, lambda item: item.id == "5")

    following = asyncio.create_task(follow())

    async def told() -> Sequence[object]:
        return reader.archived

    await eventually(told)
    await house.say("Thank you very much.")
    async with asyncio.timeout(20):
        await following

    assert reader.archived == [{"conversationId": conversation_id, "after": 1, "until": 3}]
    assert list(reader.events) == [4, 5]
    page = (await house.store.get(f"/conversations/{conversation_id}/events", params={"after": 1, "limit": 2})).json()
    assert [event["number"] for event in page["events"]] == [2, 3]


async def test_a_list_of_messages_was_brought_in_again_when_the_log_was_empty(house: House) -> None:
    lines = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good morning."}]
    body = {**GUEST, "messages": [*lines, {"role": "user", "content": "Thank you."}]}
    first = (await house.gateway.client.post(CHAT, json=body)).json()
    await house.retire(first["conversationId"])

    await house.gateway.client.post(CHAT, json=body)

    assert await house.field(first["conversationId"], "n") == b"7", "two events of the new turn"


async def test_while_somebody_follows_a_conversation_is_not_retired(house: House) -> None:
    conversation_id = (await house.say("Thank you."))["conversationId"]
    async with house.gateway.client.stream("GET", f"/llm/conversations/{conversation_id}/events"):

        async def followed() -> bool:
            house.clock.days += 8
            return 'outcome="followed"}' in (await house.store.get("/metrics")).text

        await eventually(followed)
    assert await house.field(conversation_id, "st") == b"idle"


async def test_without_the_store_the_guest_is_answered_all_the_same(redis_url: str, tmp_path: Path) -> None:
    async with running_house(redis_url, tmp_path / "store.sqlite3", store_url="http://127.0.0.1:9") as house:
        conversation_id = (await house.say("My son Oskar has a birthday tomorrow."))["conversationId"]
        await house.retire(conversation_id)

        again = await house.say("Thank you.")

        assert again["conversationId"] == conversation_id
        assert again["status"] == "finished"
        assert not any("Oskar" in line for line in house.brain.told[-1])


async def test_it_does_not_retire_what_an_id_may_still_ask_for(redis_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="BOTEL_BUS_DEDUP_S"):
        async with running_store(redis_url, tmp_path / "store.sqlite3", retire_after_s=60):
            pytest.fail("it started")
