"""The feed of a conversation: everything, in order, from where the client left off; and an end with the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.contracts.errors import BusUnavailable
from libs.web.api_keys import ConfigurationError
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import (
    CHAT,
    Concierge,
    Gateway,
    Received,
    bus_settings,
    received,
    running_brain,
    running_gateway,
)
from tests.servers.redis import RedisServer

GUEST = {"propertyId": "harbour", "customerId": "C-1"}


async def say(gateway: Gateway, text: str) -> str:
    answer = await gateway.client.post(CHAT, json={**GUEST, "message": text})
    return f"/llm/conversations/{answer.json()['conversationId']}/events"


async def take(response: httpx.Response, events: int) -> list[Received]:
    """What comes, up to so many events of the log."""
    out: list[Received] = []
    async for item in received(response):
        if item:
            out.append(item)
        if sum(one.event == "event" for one in out) == events:
            return out
    return out


@pytest.mark.usefixtures("brain")
async def test_it_resumes_after_the_last_number_without_loss_or_repetition(gateway: Gateway) -> None:
    url = await say(gateway, "one")
    await say(gateway, "two")
    seen: list[str] = []
    async with asyncio.timeout(30):
        for last in ("", "1", "2", "4"):
            async with gateway.client.stream("GET", url, headers={"Last-Event-ID": last} if last else {}) as stream:
                expected = 5 - int(last or 0)
                seen.append(" ".join(one.id for one in await take(stream, expected) if one.event == "event"))

    assert seen == ["1 2 3 4 5", "2 3 4 5", "3 4 5", "5"]


@pytest.mark.usefixtures("brain")
async def test_a_running_reply_is_shown_to_whoever_joins(gateway: Gateway, concierge: Concierge) -> None:
    url = await say(gateway, "one")
    concierge.go_on.clear()
    asking = asyncio.create_task(say(gateway, "two"))

    async def asked() -> int:
        return len(concierge.asked)

    await eventually(asked, lambda count: count == 2)
    async with asyncio.timeout(30), gateway.client.stream("GET", f"{url}?after=3") as stream:
        taken: list[Received] = []
        async for item in received(stream):
            if item:
                taken.append(item)
            if item and item.event == "chunk":
                concierge.go_on.set()
            if item and item.id == "5":
                break
    await asking

    chunks = [one.data for one in taken if one.event == "chunk"]
    assert "".join(chunk["text"] for chunk in chunks) == "You said two"
    assert chunks[0]["offset"] == 0
    assert chunks[-1]["end"] == "finished"


@pytest.mark.usefixtures("brain")
async def test_silence_has_heartbeats_and_the_stop_of_the_server_ends_the_stream(redis_url: str) -> None:
    async with asyncio.timeout(20), running_gateway(redis_url, heartbeat_s=0.02) as gateway:
        url = await say(gateway, "one")
        async with gateway.client.stream("GET", f"{url}?after=3") as stream:
            items = received(stream)
            assert await anext(items) is None
            assert await anext(items) is None
            gateway.stop.set()

            assert [item async for item in items if item] == []


@pytest.mark.usefixtures("brain")
async def test_there_are_only_so_many_streams_and_one_that_ends_makes_room(redis_url: str) -> None:
    async with asyncio.timeout(20), running_gateway(redis_url, max_streams=2) as gateway:
        url = await say(gateway, "one")
        async with gateway.client.stream("GET", url), gateway.client.stream("GET", url):
            refused = await gateway.client.get(url)
            assert (refused.status_code, refused.json()["code"]) == (503, "too-many-streams")

        await eventually(gateway.open_streams, lambda count: count == 0)
        async with gateway.client.stream("GET", url) as again:
            assert again.status_code == 200


@pytest.mark.usefixtures("brain")
async def test_a_stop_lets_the_reply_at_hand_finish(redis_url: str, concierge: Concierge) -> None:
    async with asyncio.timeout(20), running_gateway(redis_url) as gateway:
        concierge.go_on.clear()
        asking = asyncio.create_task(gateway.client.post(CHAT, json={**GUEST, "message": "Hi"}))

        async def asked() -> list[str]:
            return concierge.asked

        await eventually(asked)
        gateway.stop.set()
        concierge.go_on.set()

        assert (await asking).json()["response"] == "You said Hi"


async def test_without_redis_it_starts_says_so_and_works_once_redis_is_there(
    own_redis: RedisServer, concierge: Concierge
) -> None:
    own_redis.stop()
    impatient = bus_settings(own_redis.url, command_timeout_ms=500)
    async with asyncio.timeout(40), running_gateway(own_redis.url, impatient) as gateway:
        refused = await gateway.client.post(CHAT, json={**GUEST, "message": "Hi"})
        assert (refused.status_code, refused.json()["code"]) == (503, "bus-unavailable")
        assert refused.headers["Retry-After"] == "1"
        assert (await gateway.client.get("/readyz")).status_code == 503
        assert (await gateway.client.get("/healthz")).status_code == 200

        own_redis.start()
        async with running_brain(own_redis.url, concierge):

            async def answered() -> httpx.Response:
                key = {"Idempotency-Key": "k"}
                return await gateway.client.post(CHAT, json={**GUEST, "message": "Hi"}, headers=key)

            answer = await eventually(answered, lambda answer: answer.status_code == 200)
            assert answer.json()["response"] == "You said Hi"
            assert concierge.asked == ["Hi"]
            await eventually(lambda: gateway.client.get("/readyz"), lambda ready: ready.status_code == 200)


async def test_a_redis_that_goes_in_the_middle_is_a_typed_end(own_redis: RedisServer, concierge: Concierge) -> None:
    impatient = bus_settings(own_redis.url, command_timeout_ms=500)
    async with asyncio.timeout(40), running_gateway(own_redis.url, impatient, reply_timeout_s=1.0) as gateway:
        async with running_brain(own_redis.url, concierge):
            await say(gateway, "one")
        own_redis.stop()

        answer = await gateway.client.post(CHAT, json={**GUEST, "message": "Hi"})

        assert (answer.status_code, answer.json()["code"]) == (503, BusUnavailable.code)


async def test_a_message_of_a_megabyte_is_refused_on_a_real_connection(gateway: Gateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"message":"'
        for _ in range(64):
            yield b"x" * 16_384
        yield b'"}'

    announced = await gateway.client.post(CHAT, content=b'{"message":"' + b"x" * 2**20 + b'"}')

    assert (announced.status_code, announced.json()["code"]) == (413, "too-large")
    try:
        streamed = await gateway.client.post(
            CHAT,
            content=endless(),
            headers={"Content-Type": "application/json"},
        )
    except httpx.TransportError:
        return  # the server may close on a client that goes on sending
    assert (streamed.status_code, streamed.json()["code"]) == (413, "too-large")


async def test_it_does_not_start_beyond_loopback_with_the_development_key(redis_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"0\.0\.0\.0"):
        async with running_gateway(redis_url, host="0.0.0.0"):
            pytest.fail("it started")


async def test_a_port_that_is_taken_is_an_error_at_once(redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with running_gateway(redis_url, port=taken.getsockname()[1]):
            pytest.fail("it started")
