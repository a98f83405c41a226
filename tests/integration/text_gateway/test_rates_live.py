"""Rates over several gateways on a real Redis, and without it."""

from __future__ import annotations

import asyncio
import functools

import pytest

from libs.bus.limits import Buckets
from libs.web.rates import RateSettings
from services.text_gateway import app
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import CHAT, Concierge, bus_settings, running_brain, running_gateway
from tests.servers.redis import RedisServer

BODY = {"customerId": "guest-204", "message": "hello"}
FEW = RateSettings(turns_per_s=0.001, turns_burst=4, sessions_per_s=0.001, sessions_burst=1, streams_burst=1,
                   streams_per_s=0.001)  # fmt: skip


async def test_two_gateways_share_the_limit_and_say_so(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A gateway that gives up on Redis lets a request pass uncounted: not for a machine that stalls.
    monkeypatch.setattr(app, "Buckets", functools.partial(Buckets, timeout_ms=5_000))
    async with (
        running_gateway(redis_url, rate_settings=FEW, reply_timeout_s=0.05) as one,
        running_gateway(redis_url, rate_settings=FEW, reply_timeout_s=0.05) as two,
    ):
        asked = [gateway.client.post(CHAT, json=BODY) for gateway in (one, two) for _ in range(4)]
        answers = await asyncio.gather(*asked)
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) == 4
        assert {answer.json()["code"] for answer in refused} == {"too-many-requests"}
        assert {answer.status_code for answer in answers if answer not in refused} == {504}, "no brain answers here"
        assert all(int(answer.headers["Retry-After"]) > 900 for answer in refused)
        sessions = [await gateway.client.post("/llm/voice/sessions", json={}) for gateway in (one, two)]
        assert [answer.status_code for answer in sessions] == [503, 429], "voice is not configured; then too often"
        cancels = await one.client.post("/llm/conversations/c/turns/t/cancel")
        assert cancels.status_code == 404, "another bucket"
        told = [(await gateway.client.get("/metrics")).text for gateway in (one, two)]
        assert any('botel_http_rate_limited_total{property="harbour",what="turns"}' in text for text in told)


async def test_without_redis_the_rate_refuses_nobody(own_redis: RedisServer) -> None:
    impatient = bus_settings(own_redis.url, command_timeout_ms=500)
    async with running_gateway(own_redis.url, impatient, rate_settings=FEW) as gateway:
        own_redis.stop()

        async def uncounted() -> bool:
            answers = [await gateway.client.get("/llm/conversations/c/events") for _ in range(2)]
            assert {answer.json()["code"] for answer in answers} <= {"bus-unavailable", "unknown-conversation"}
            return "botel_http_rate_uncounted_total" in (await gateway.client.get("/metrics")).text

        await eventually(uncounted)
        own_redis.start()


async def test_one_key_has_so_many_streams_and_no_more(redis_url: str) -> None:
    async with running_gateway(redis_url, max_streams_per_key=1) as gateway, running_brain(redis_url, Concierge()):
        url = f"/llm/conversations/{(await gateway.client.post(CHAT, json=BODY)).json()['conversationId']}/events"
        async with gateway.client.stream("GET", url) as first:
            assert first.status_code == 200
            second = await gateway.client.get(url)
            assert (second.status_code, second.json()["code"]) == (503, "too-many-streams")
            assert "key" in second.json()["detail"]

        async def free() -> bool:
            async with gateway.client.stream("GET", url) as third:
                return third.status_code == 200

        await eventually(free)
