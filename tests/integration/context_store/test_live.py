"""The whole service on a real Redis: what happens on the bus is kept, and served when Redis is empty or gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.bus.settings import BusSettings
from libs.contracts.events import Author, Channel, ContextUpdated, ConversationOpened
from libs.contracts.keys import STORE_GROUP
from libs.web.api_keys import ApiKeySettings
from services.context_store.app import run
from services.context_store.settings import StoreSettings
from tests.eventually import eventually
from tests.servers.redis import RedisServer

KEYS = ApiKeySettings(api_key=SecretStr("development"))


def bus_settings(url: str, *, command_timeout_ms: int = 10_000) -> BusSettings:
    """Little patience is for a test that takes Redis away: a machine that stalls is not to look so."""
    return BusSettings(redis_url=SecretStr(url), command_timeout_ms=command_timeout_ms)


@contextlib.asynccontextmanager
async def running_store(
    url: str, path: Path, now_ms: Callable[[], int] | None = None, bus: BusSettings | None = None, **more: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """`bus`: other settings of the bus than the usual."""
    settings = StoreSettings(**{"port": 0, "path": path, "lag_every_s": 0.05, "tail_timeout_ms": 200, **more})
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    service = asyncio.create_task(run(settings, bus or bus_settings(url), KEYS, stop, bound.set_result, now_ms))
    await asyncio.wait({service, bound}, return_when=asyncio.FIRST_COMPLETED)
    if service.done():
        await service
    base = f"http://127.0.0.1:{bound.result()}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": "Bearer development"}) as client:
        yield client
    stop.set()
    async with asyncio.timeout(10):
        await service


class Guest:
    """Opens a conversation on the bus and notes things in it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = Conversations(bus)
        self.conversation_id = ""

    async def open(self, customer_id: str = "C-1") -> None:
        event = ConversationOpened(
            id=new_id("evt"),
            time_ms=1,
            property_id="harbour",
            conversation_id=new_id("conv"),
            author=Author.SYSTEM,
            channel=Channel.TEXT,
            customer_id=customer_id,
        )
        self.conversation_id = (await self._bus.open(event, {})).conversation_id

    async def note(self, count: int) -> None:
        for number in range(count):
            await self._bus.append(
                ContextUpdated(
                    id=new_id("evt"),
                    time_ms=2,
                    property_id="harbour",
                    conversation_id=self.conversation_id,
                    author=Author.STAFF,
                    channel=Channel.SYSTEM,
                    fields={"note": str(number)},
                )
            )


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    async with Bus(bus_settings(redis_url)) as made:
        yield made


async def stored(client: httpx.AsyncClient) -> int:
    listed = (await client.get("/conversations")).json()["conversations"]
    return int(listed[0]["lastNumber"]) if listed else 0


async def numbers(client: httpx.AsyncClient, conversation_id: str) -> list[int]:
    page = (await client.get(f"/conversations/{conversation_id}/events")).json()
    return [event["number"] for event in page["events"]]


async def test_what_happens_is_kept_and_outlives_redis(redis_server: RedisServer, bus: Bus, tmp_path: Path) -> None:
    guest = Guest(bus)
    async with running_store(redis_server.url, tmp_path / "store.sqlite3") as client:
        await guest.open()
        await guest.note(4)
        await eventually(lambda: stored(client), lambda number: number == 5)
        redis_server.flush()

        assert await numbers(client, guest.conversation_id) == [1, 2, 3, 4, 5]

    redis_server.flush()
    async with running_store(redis_server.url, tmp_path / "store.sqlite3") as client:
        assert await numbers(client, guest.conversation_id) == [1, 2, 3, 4, 5]
        context = (await client.get(f"/conversations/{guest.conversation_id}/context")).json()
        assert context["fields"] == {"property_id": "harbour", "customer_id": "C-1", "note": "3"}


async def test_what_happened_while_it_was_down_is_caught_up(redis_url: str, bus: Bus, tmp_path: Path) -> None:
    guest = Guest(bus)
    async with running_store(redis_url, tmp_path / "store.sqlite3") as client:
        await guest.open()
        await eventually(lambda: stored(client), lambda number: number == 1)

    await guest.note(300)

    async with running_store(redis_url, tmp_path / "store.sqlite3") as client:
        await eventually(lambda: stored(client), lambda number: number == 301)


async def test_a_new_archive_beside_a_living_redis_heals_itself(redis_url: str, bus: Bus, tmp_path: Path) -> None:
    """What the group has acked does not come again: the log has it."""
    guest = Guest(bus)
    async with running_store(redis_url, tmp_path / "lost.sqlite3") as client:
        await guest.open()
        await guest.note(3)
        await eventually(lambda: stored(client), lambda number: number == 4)

    async with running_store(redis_url, tmp_path / "new.sqlite3") as client:
        await guest.note(1)
        await eventually(lambda: stored(client), lambda number: number == 5)
        await bus.commands.send("FLUSHALL")

        assert await numbers(client, guest.conversation_id) == [1, 2, 3, 4, 5]


async def test_garbage_on_the_stream_is_kept_dead_lettered_and_passed(redis_url: str, bus: Bus, tmp_path: Path) -> None:
    guest = Guest(bus)
    await guest.open()
    (keys,) = bus.shards
    deep = b'{"type":"message.received","x":' + b"[" * 50_000
    for fields in (
        ("c", guest.conversation_id, "n", "2", "b", b"\xff\x00"),
        ("c", guest.conversation_id, "n", "3", "b", deep),
        ("c", guest.conversation_id, "n", "4", "b", '{"type":"minibar.opened","v":7}'),
        ("c", "{odd} id", "n", "1", "b", "{}"),
        ("c", guest.conversation_id, "n", "many", "b", "{}"),
        ("nothing", "at all"),
    ):
        await bus.commands.send("XADD", keys.events, "*", *fields)

    async with running_store(redis_url, tmp_path / "store.sqlite3") as client:
        await eventually(lambda: stored(client), lambda number: number == 4)
        await eventually(lambda: bus.commands.send("XPENDING", keys.events, STORE_GROUP), lambda reply: reply[0] == 0)

        page = (await client.get(f"/conversations/{guest.conversation_id}/events")).json()
        assert [event["type"] for event in page["events"]] == ["conversation.opened", *["unknown"] * 3]
        assert (await client.get(f"/conversations/{guest.conversation_id}/messages")).json()["messages"] == []
        metrics = (await client.get("/metrics")).text
        assert 'botel_store_events_total{outcome="unknown"} 3.0' in metrics
        assert 'botel_store_events_total{outcome="stray"} 1.0' in metrics
    dead = await bus.commands.send("XRANGE", keys.dead, "-", "+")
    assert len(dead) == 6
    assert all(dict(zip(fields[::2], fields[1::2], strict=True))[b"why"] for _, fields in dead)


async def test_the_lag_of_every_declared_group(redis_url: str, bus: Bus, tmp_path: Path) -> None:
    async with running_store(redis_url, tmp_path / "store.sqlite3") as client:
        await Guest(bus).open()

        async def groups() -> dict[str, dict[str, object]]:
            answer = (await client.get("/lag")).json()
            shards = answer.get("shards", [])
            return {group["group"]: group for shard in shards for group in shard["groups"]}

        store = await eventually(
            groups, lambda found: STORE_GROUP in found and found[STORE_GROUP]["lag"] == 0 and found["brain"] is not None
        )
        assert store["brain"]["present"] is False
        assert store["brain"]["lag"] is None
        metrics = (await client.get("/metrics")).text
        assert 'botel_group_lag_known{group="brain"' in metrics
        assert 'botel_group_lag{group="brain"' not in metrics
        assert 'botel_group_lag{group="context-store"' in metrics


async def test_it_serves_without_redis_and_goes_on_when_redis_comes(own_redis: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    async with Bus(bus_settings(own_redis.url)) as bus, running_store(own_redis.url, path) as client:
        guest = Guest(bus)
        await guest.open()
        await eventually(lambda: stored(client), lambda number: number == 1)
    own_redis.stop()

    impatient = bus_settings(own_redis.url, command_timeout_ms=300)
    async with running_store(own_redis.url, path, bus=impatient) as client:
        assert await numbers(client, guest.conversation_id) == [1]
        assert (await client.get("/readyz")).status_code == 503
        change = await client.patch(f"/conversations/{guest.conversation_id}/context", json={"fields": {"room": "1"}})
        assert (change.status_code, change.json()["code"]) == (503, "bus-unavailable")

        own_redis.start()

        async def patched() -> int:
            url = f"/conversations/{guest.conversation_id}/context"
            return (
                await client.patch(url, json={"fields": {"room": "1"}}, headers={"Idempotency-Key": "k"})
            ).status_code

        await eventually(patched, lambda status: status == 200)
        await eventually(lambda: stored(client), lambda number: number == 2)
        await eventually(lambda: client.get("/readyz"), lambda answer: answer.status_code == 200)
