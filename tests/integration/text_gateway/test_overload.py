"""Too much at once, nobody there, Redis away: a typed answer in time, and the turn is answered once or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx
import pytest

from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.contracts.events import MessageReceived, ReplyGenerated
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import (
    CHAT,
    Concierge,
    Gateway,
    bus_settings,
    running_brain,
    running_gateway,
)
from tests.integration.text_gateway.reader import SSE
from tests.servers.redis import RedisServer

JSON: dict[str, str] = {}
both = pytest.mark.parametrize("headers", [JSON, SSE], ids=["json", "events"])


async def say(gateway: Gateway, guest: str, text: str = "Hi", **headers: str) -> httpx.Response:
    return await gateway.client.post(CHAT, json={"customerId": guest, "message": text}, headers=headers)


async def turns_of(url: str, conversation_id: str) -> tuple[list[str], list[str]]:
    """Messages and how their replies ended."""
    async with Bus(bus_settings(url)) as bus:
        events = (await Conversations(bus).read("harbour", conversation_id)).events
    messages = [event.text for event in events if isinstance(event, MessageReceived)]
    return messages, [event.status.value for event in events if isinstance(event, ReplyGenerated)]


@both
async def test_more_guests_wait_than_may_the_next_is_told_at_once_and_nothing_is_written(
    redis_url: str, headers: dict[str, str]
) -> None:
    crowded = bus_settings(redis_url).model_copy(update={"max_waiting": 2})
    concierge = Concierge()
    async with asyncio.timeout(300), running_gateway(redis_url, crowded) as gateway, Bus(crowded) as bus:
        waiting = [asyncio.create_task(say(gateway, f"C-{number}")) for number in range(2)]
        await eventually(lambda: bus.commands.send("XLEN", bus.shards[0].turns), lambda length: length == 2)

        refused = await say(gateway, "C-9", **headers)

        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert (refused.headers["Retry-After"], refused.json()["retry"]) == ("2", "later")
        assert refused.headers["Content-Type"] == "application/problem+json"
        async with running_brain(redis_url, concierge):
            assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
            answer = await say(gateway, "C-9", "Again")
            assert answer.json()["response"] == "You said Again"
    assert sorted(concierge.asked) == ["Again", "Hi", "Hi"]


async def test_with_no_brain_at_all_the_client_is_answered_and_the_turn_expires_once(redis_url: str) -> None:
    concierge, key = Concierge(), {"Idempotency-Key": "k"}
    async with asyncio.timeout(300), running_gateway(redis_url, turn_deadline_ms=200, reply_timeout_s=0.5) as gateway:
        answer = await say(gateway, "C-1", **key)
        assert (answer.status_code, answer.json()["code"]) == (504, "reply-timeout")
        assert answer.json()["retry"] == "same-id"
        streamed = await say(gateway, "C-1", **key, **SSE)
        assert streamed.text.count("event: error") == 1
        assert '"code":"reply-timeout"' in streamed.text

        async with running_brain(redis_url, concierge):

            async def expired() -> httpx.Response:
                return await say(gateway, "C-1", **key)

            over = await eventually(expired, lambda answer: answer.status_code != 504)
            assert (over.status_code, over.json()["code"]) == (503, "reply-expired")
            assert over.headers["Retry-After"] == "2"
            async with running_gateway(redis_url) as patient:
                again = await say(patient, "C-1", "Hello again")
            assert again.json()["response"] == "You said Hello again"
    assert concierge.asked == ["Hello again"]
    messages, ends = await turns_of(redis_url, again.json()["conversationId"])
    assert (messages, ends) == (["Hi", "Hello again"], ["expired", "finished"])


async def test_with_no_brain_for_a_while_the_turn_is_answered_once_to_whoever_comes_back(redis_url: str) -> None:
    concierge, key = Concierge(), {"Idempotency-Key": "k"}
    async with asyncio.timeout(300), running_gateway(redis_url, reply_timeout_s=0.3) as gateway:
        assert (await say(gateway, "C-1", **key)).status_code == 504
        async with running_brain(redis_url, concierge):

            async def answered() -> httpx.Response:
                return await say(gateway, "C-1", **key)

            answer = await eventually(answered, lambda answer: answer.status_code != 504)
            assert answer.json()["response"] == "You said Hi"
    assert concierge.asked == ["Hi"]


@both
async def test_a_redis_that_says_nothing_is_a_typed_answer_in_time_and_the_turn_is_taken_once(
    own_redis: RedisServer, headers: dict[str, str]
) -> None:
    """Redis hangs with the connection open; what it was sent it does when it wakes up."""
    concierge, key = Concierge(), {"Idempotency-Key": "k"}
    impatient = bus_settings(own_redis.url, command_timeout_ms=500)
    async with asyncio.timeout(300), running_gateway(own_redis.url, impatient) as gateway:
        await eventually(lambda: gateway.client.get("/readyz"), lambda answer: answer.status_code == 200)
        os.kill(own_redis.pid, signal.SIGSTOP)
        refused = await say(gateway, "C-1", **key, **headers)
        ready = await gateway.client.get("/readyz")
        os.kill(own_redis.pid, signal.SIGCONT)

        assert (refused.status_code, refused.json()["code"]) == (503, "bus-unavailable")
        assert (refused.headers["Retry-After"], refused.json()["retry"]) == ("1", "same-id")
        assert ready.status_code == 503
        assert ready.json()["checks"]["redis"] != "ok"
        async with running_brain(own_redis.url, concierge):

            async def answered() -> httpx.Response:
                return await say(gateway, "C-1", **key)

            answer = await eventually(answered, lambda answer: answer.status_code == 200)
            assert answer.json()["response"] == "You said Hi"
    assert concierge.asked == ["Hi"]
    assert await turns_of(own_redis.url, answer.json()["conversationId"]) == (["Hi"], ["finished"])


async def test_redis_gone_in_the_middle_of_a_reply_is_a_timeout_and_later_the_whole_reply(
    own_redis: RedisServer, concierge: Concierge
) -> None:
    key: dict[str, Any] = {"Idempotency-Key": "k"}
    impatient = bus_settings(own_redis.url, command_timeout_ms=500)
    async with (
        asyncio.timeout(300),
        running_gateway(own_redis.url, impatient, reply_timeout_s=1.5) as gateway,
        running_brain(own_redis.url, concierge),
    ):
        concierge.go_on.clear()
        asking = asyncio.create_task(say(gateway, "C-1", **key))

        async def asked() -> list[str]:
            return concierge.asked

        await eventually(asked)
        own_redis.stop()
        answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (504, "reply-timeout")
        concierge.go_on.set()
        own_redis.start()

        async def answered() -> httpx.Response:
            return await say(gateway, "C-1", **key)

        whole = await eventually(answered, lambda answer: answer.status_code == 200)
    assert whole.json()["response"] == "You said Hi"
    messages, ends = await turns_of(own_redis.url, whole.json()["conversationId"])
    assert (messages, ends) == (["Hi"], ["finished"])
