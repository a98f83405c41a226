"""The tracer: on only where the environment names a collector, true to the context that a message brings, and never a
reason for anything to wait or to fail."""

from __future__ import annotations

import logging
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from libs.bus.tracing import Kind, NullTracer, Tracer, record
from libs.contracts.trace import parse_traceparent
from libs.observability.logs import bound_ids
from libs.observability.masking import Masking
from libs.observability.tracing import IdTracer, OtelTracer, TracingSettings, begin_tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = PARENT[:-1] + "0"


def kept() -> tuple[OtelTracer, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTracer(provider, Masking(show=False)), exporter


def settings(**env: str) -> TracingSettings:
    return TracingSettings.model_validate(env)


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}, "http://t/x"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"},
            "http://t/x",
        ),
    ],
)
def test_where_spans_go(env: dict[str, str], address: str) -> None:
    assert settings(**env).address == address
    assert settings(**env).on is bool(address)


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "True"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_standard_ways_to_switch_it_off(off: dict[str, str]) -> None:
    assert not settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://c:4318", **off).on


def test_a_span_goes_on_from_a_traceparent_and_gives_one() -> None:
    tracer, exporter = kept()
    span = tracer.start("turn", PARENT, kind=Kind.CONSUMER, at_ns=5, attributes={"a": 1}, link=UNSAMPLED)
    inner = tracer.start("step", span.trace)
    inner.end(error="timeout")
    span.end(at_ns=9)

    step, turn = exporter.get_finished_spans()
    assert f"{turn.context.trace_id:032x}" in PARENT
    assert turn.parent is not None
    assert f"{turn.parent.span_id:016x}" in PARENT
    assert (turn.kind, turn.start_time, turn.end_time, dict(turn.attributes or {})) == (
        SpanKind.CONSUMER,
        5,
        9,
        {"a": 1},
    )
    assert len(turn.links) == 1
    assert step.parent is not None
    assert step.parent.span_id == turn.context.span_id
    assert step.status.status_code is StatusCode.ERROR
    assert step.status.description is None, "no text, which might bear words"
    assert (step.attributes or {})["error.type"] == "timeout"


@pytest.mark.parametrize("parent", ["", "nonsense", PARENT.upper()])
def test_without_a_parent_it_begins_a_trace(parent: str) -> None:
    tracer, exporter = kept()
    tracer.start("turn", parent).end()
    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_a_trace_that_is_not_sampled_stays_so_and_keeps_its_ids() -> None:
    tracer, exporter = kept()
    span = tracer.start("turn", UNSAMPLED)
    span.end()
    context = parse_traceparent(span.trace)
    assert context
    assert not context.sampled
    assert context.trace_id in UNSAMPLED
    assert exporter.get_finished_spans() == ()


def test_a_span_that_is_over_takes_nothing_more() -> None:
    tracer, exporter = kept()
    span = tracer.start("turn")
    span.end(at_ns=time.time_ns())
    span.set({"late": True})
    span.link(PARENT)
    span.end(error="late")
    (told,) = exporter.get_finished_spans()
    assert not told.attributes
    assert told.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(("begin", "end", "spans"), [(1, 2, 1), (1, 1, 1), (0, 2, 0), (2, 1, 0)])
def test_a_stage_that_did_not_happen_is_not_told(begin: int, end: int, spans: int) -> None:
    tracer, exporter = kept()
    record(tracer, "stage", PARENT, begin, end)
    assert len(exporter.get_finished_spans()) == spans


@pytest.mark.parametrize("tracer", [NullTracer(), IdTracer()])
def test_without_a_collector_the_context_of_a_message_goes_on(tracer: Tracer) -> None:
    assert not tracer.on
    assert tracer.start("turn", PARENT).trace == PARENT
    assert tracer.words("my card number") == "(masked)"


def test_without_a_collector_a_turn_has_ids_all_the_same() -> None:
    first, second = IdTracer().start("turn").trace, IdTracer().start("turn").trace
    assert first != second
    context = parse_traceparent(first)
    assert context
    assert not context.sampled, "whoever collects further on is not sent half a trace"
    with IdTracer().inside(first, turn_id="t1"):
        assert bound_ids() == {"turn_id": "t1", "trace_id": context.trace_id, "span_id": context.span_id}
    assert bound_ids() == {}


@pytest.mark.parametrize(("name", "value"), [("OTEL_BSP_MAX_QUEUE_SIZE", "-1"), ("OTEL_BSP_SCHEDULE_DELAY", "-5")])
async def test_a_setting_that_cannot_work_costs_the_spans_and_not_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with caplog.at_level(logging.ERROR):
        made = begin_tracing(settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"), service="brain")
    assert not made.tracer.on
    assert "no spans are exported" in caplog.text
    await made.close()
