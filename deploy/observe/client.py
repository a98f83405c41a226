"""Asks a Prometheus: values now, values over time, alerts, targets. https://prometheus.io/docs/prometheus/latest/querying/api/

    async with PrometheusClient("http://127.0.0.1:9090") as prometheus:
        [waiting] = await prometheus.instant("sum(botel_turns_waiting)")

Times are seconds since the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

TIMEOUT_S = 10.0
MAX_BYTES = 32_000_000
"""Of one answer: a question that returns more is wrong."""


class PrometheusError(RuntimeError):
    """It did not answer the question. `retryable`: the same question may be answered later."""

    retryable = False


class Unreachable(PrometheusError):
    """Nobody answers, or not in time."""

    retryable = True


class QueryRefused(PrometheusError):
    """The question is wrong; `kind` is Prometheus's own word: bad_data, execution, timeout ..."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class NotUnderstood(PrometheusError):
    """The answer is not one of Prometheus, or far too long."""


class Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


class Series(NamedTuple):
    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]
    """As many as times; NaN where the expression says so."""


class Alert(NamedTuple):
    name: str
    state: str
    """pending or firing."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    active_at: float
    value: float


class Target(NamedTuple):
    job: str
    instance: str
    health: str
    """up, down, or unknown before the first scrape."""
    error: str
    url: str


class Rule(NamedTuple):
    name: str
    file: str
    """The rule file that Prometheus read it from."""
    query: str
    hold_s: float
    """How long the condition has to hold: `for`."""
    health: str


class PrometheusClient:
    """An async context manager. Every call raises a `PrometheusError` when there is no answer to be had."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self._session:
            await self._session.close()

    async def instant(self, expression: str, *, at: float | None = None) -> list[Sample]:
        """Its value now, or at a time: a sample per series; a scalar is a sample without labels."""
        data = await self._ask("query", {"query": expression, **({} if at is None else {"time": repr(at)})})
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        if data["resultType"] != "vector":
            raise QueryRefused("bad_data", f"a {data['resultType']}, not a value per series")
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    async def range(self, expression: str, start: float, end: float, step_s: float) -> list[Series]:
        """Its values over time, every `step_s`; where it has none there is none."""
        asked = {"query": expression, "start": repr(start), "end": repr(end), "step": repr(step_s)}
        return [_series(one) for one in (await self._ask("query_range", asked))["result"]]

    async def alerts(self) -> list[Alert]:
        """What is pending or firing now."""
        return [_alert(one) for one in (await self._ask("alerts", {}))["alerts"]]

    async def targets(self) -> list[Target]:
        """What is scraped, of every job."""
        return [_target(one) for one in (await self._ask("targets", {"state": "active"}))["activeTargets"]]

    async def rules(self) -> list[Rule]:
        """The alerting rules that it evaluates."""
        groups = (await self._ask("rules", {"type": "alert"}))["groups"]
        return [_rule(one, group["file"]) for group in groups for one in group["rules"]]

    async def _ask(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        assert self._session, "not entered"
        try:
            async with self._session.get(f"{self.url}/api/v1/{path}", params=asked) as response:
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise NotUnderstood(f"{path}: more than {MAX_BYTES} bytes")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"{self.url} does not answer: {type(error).__name__}") from error
        return _data(path, bytes(body))


def _data(path: str, body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    match told:
        case {"status": "success", "data": dict(data)}:
            return data
        case {"status": "error", "errorType": str(kind), "error": str(text)}:
            raise QueryRefused(kind, text)
        case _:
            raise NotUnderstood(f"{path}: not an answer of Prometheus")


def _series(one: Mapping[str, Any]) -> Series:
    pairs = one["values"]
    return Series(one["metric"], tuple(float(at) for at, _ in pairs), tuple(float(value) for _, value in pairs))


def _alert(one: Mapping[str, Any]) -> Alert:
    active = datetime.fromisoformat(one["activeAt"]).timestamp()
    labels = one["labels"]
    return Alert(labels["alertname"], one["state"], labels, one["annotations"], active, float(one["value"]))


def _target(one: Mapping[str, Any]) -> Target:
    labels = one["labels"]
    return Target(labels["job"], labels["instance"], one["health"], one["lastError"], one["scrapeUrl"])


def _rule(one: Mapping[str, Any], file: str) -> Rule:
    return Rule(one["name"], file, one["query"], float(one["duration"]), one["health"])
