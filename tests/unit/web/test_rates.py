"""Rates at the door: 429 with what to do, 401 first, and nobody is refused because Redis is away."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from libs.bus.limits import Rate
from libs.contracts.errors import BusUnavailable
from libs.observability import names
from libs.observability.http import RateMetrics
from libs.web.api_keys import ApiKeys, key_id
from libs.web.application import new_application
from libs.web.rates import Rates, RateSettings, at_rate

KEYS = ApiKeys({hashlib.sha256(key.encode()).hexdigest(): "harbour" for key in ("ours", "also-ours")})


class Tokens:
    """Buckets in memory that do not fill."""

    def __init__(self) -> None:
        self.spent = Counter[tuple[str, str, str]]()
        self.away = False

    async def spend(self, property_id: str, caller: str, what: str, rate: Rate) -> int:
        if self.away:
            raise BusUnavailable("gone")
        asked = (property_id, caller, what)
        if self.spent[asked] >= rate.burst:
            return 2_100
        self.spent[asked] += 1
        return 0


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def serving(tokens: Tokens, registry: CollectorRegistry, settings: RateSettings) -> httpx.AsyncClient:
    rates = Rates(tokens, settings.limits(), RateMetrics(registry))
    app: FastAPI = new_application("test", api_keys=KEYS, max_body_bytes=1_000, rates=rates)

    @app.get("/turns", dependencies=[at_rate("turns")])
    async def turns() -> str:
        return "taken"

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_past_the_burst_a_key_is_told_when_to_come_back(tokens: Tokens, registry: CollectorRegistry) -> None:
    async with serving(tokens, registry, RateSettings(turns_burst=2)) as http:
        answers = [await http.get("/turns", headers=bearer("ours")) for _ in range(3)]
        other = await http.get("/turns", headers=bearer("also-ours"))
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert other.status_code == 200, "each key for itself"
    assert answers[2].headers["Retry-After"] == "3"
    problem = answers[2].json()
    assert (problem["code"], problem["retry"], problem["what"]) == ("too-many-requests", "later", "turns")
    assert answers[2].headers["content-type"] == "application/problem+json"
    labels = {"property": "harbour", "what": "turns"}
    assert registry.get_sample_value(names.HTTP_LIMITED, labels) == 1
    assert set(tokens.spent) == {("harbour", key_id(key), "turns") for key in ("ours", "also-ours")}


async def test_who_has_no_key_spends_nobody_s_tokens(tokens: Tokens, registry: CollectorRegistry) -> None:
    async with serving(tokens, registry, RateSettings(turns_burst=1)) as http:
        statuses = [(await http.get("/turns", headers=given)).status_code for given in ({}, bearer("guess"))]
    assert statuses == [401, 401]
    assert not tokens.spent


async def test_a_redis_that_is_away_refuses_nobody_and_is_told_once(
    tokens: Tokens, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.away = True
    async with serving(tokens, registry, RateSettings(turns_burst=1)) as http:
        statuses = [(await http.get("/turns", headers=bearer("ours"))).status_code for _ in range(3)]
        tokens.away = False
        again = [(await http.get("/turns", headers=bearer("ours"))).status_code for _ in range(2)]
    assert statuses == [200] * 3
    assert again == [200, 429]
    assert registry.get_sample_value(names.HTTP_UNCOUNTED, {"what": "turns"}) == 3
    assert [one.levelno for one in caplog.records if one.name == "libs.web.rates"] == [logging.WARNING]


async def test_no_limit_asks_nobody(tokens: Tokens, registry: CollectorRegistry) -> None:
    async with serving(tokens, registry, RateSettings(turns_per_s=0, turns_burst=1)) as http:
        statuses = [(await http.get("/turns", headers=bearer("ours"))).status_code for _ in range(3)]
    assert statuses == [200] * 3
    assert not tokens.spent


def test_settings() -> None:
    assert set(RateSettings().limits()) == {"turns", "cancels", "sessions", "streams", "reads"}
    assert RateSettings(reads_per_s=0).limits().keys().isdisjoint({"reads"})
    with pytest.raises(ValidationError):
        RateSettings(turns_per_s=-1)


def test_a_key_is_counted_under_no_more_than_the_beginning_of_its_digest() -> None:
    assert key_id("ours") == hashlib.sha256(b"ours").hexdigest()[:16]
