"""Spans on their way to a collector: real exporter, real HTTP."""

from __future__ import annotations

import asyncio
import socket

import pytest

from libs.observability.tracing import TracingSettings, begin_tracing
from tests.servers.otlp import running_collector


def settings(address: str) -> TracingSettings:
    """As the environment has it, but for the address."""
    return TracingSettings(endpoint=address)


async def test_what_is_left_is_sent_at_the_end_with_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.namespace=ours")
    async with running_collector() as collector:
        made = begin_tracing(settings(collector.url), service="brain", instance="brain-1")
        made.tracer.start("turn", attributes={"botel.question": made.tracer.words("my card number")}).end()
        await made.close()
        (span,) = collector.spans
    assert collector.headers["authorization"] == "Bearer secret"
    assert span.service == "brain"
    assert span.resource["service.instance.id"] == "brain-1"
    assert span.resource["deployment.environment.name"] == "test"
    assert span.resource["service.namespace"] == "ours"
    assert span.attributes["botel.question"] == "(masked)"


async def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "night-desk")
    async with running_collector() as collector:
        made = begin_tracing(settings(collector.url), service="brain")
        made.tracer.start("turn").end()
        await made.close()
    assert [span.service for span in collector.spans] == ["night-desk"]


async def test_words_are_in_spans_when_they_are_shown() -> None:
    async with running_collector() as collector:
        made = begin_tracing(settings(collector.url), service="b", show_words=True)
        assert made.tracer.words("my card number") == "my card number"
        await made.close()


async def test_a_collector_that_never_answers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.observability.tracing.FLUSH_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        address = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        made = begin_tracing(settings(address), service="brain")
        for _ in range(5_000):  # more than the queue takes
            made.tracer.start("turn").end()
        async with asyncio.timeout(15):  # the SDK alone would wait for half a minute
            await made.close()
