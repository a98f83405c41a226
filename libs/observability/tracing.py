"""Traces of turns: implements `libs.bus.tracing.Tracer` with OpenTelemetry, or without it where nobody collects spans.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT (or its form for traces) is set. Then spans leave in batches from a thread of
their own, by OTLP over HTTP; the queue is bounded and what does not fit is dropped. Headers, sampler, resource, limits
and batching are OpenTelemetry's own variables. The provider is no global one: what libraries trace by themselves goes
nowhere, because nobody has masked it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import threading
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.bus.tracing import Kind, NullSpan, NullTracer, Span, Tracer, Value
from libs.contracts.trace import TraceContext, parse_traceparent, traceparent
from libs.observability.logs import log_ids
from libs.observability.masking import Masking
from libs.observability.release import RELEASE

_log = logging.getLogger(__name__)
FLUSH_S = 3.0
"""How long the last spans may take at the end of a process."""
_SCOPE = "botel"
_KINDS = {kind: api.SpanKind(kind.value) for kind in Kind}


class TracingSettings(BaseSettings):
    """Environment: what decides whether spans are exported. All other OTEL_* variables are read by OpenTelemetry."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore", env_ignore_empty=True)

    endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where spans are sent, by OTLP over HTTP. Empty: none are made."""
    traces_endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    """The whole address; the other one is completed with `/v1/traces`."""
    disabled: str = Field(default="", validation_alias="OTEL_SDK_DISABLED")
    """`true`: no spans, whatever else is set."""
    exporter: str = Field(default="otlp", validation_alias="OTEL_TRACES_EXPORTER")
    """`none`: no spans. No other value makes a difference."""
    protocol: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL")
    """Spans leave by http/protobuf, whatever this says."""
    traces_protocol: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    """The same."""

    service_name: str = Field(default="", validation_alias="OTEL_SERVICE_NAME")
    """Instead of the service's own name."""
    resource: str = Field(default="", validation_alias="OTEL_RESOURCE_ATTRIBUTES")
    """What else is told of the process: `name=value,...`."""

    @property
    def on(self) -> bool:
        off = self.disabled.strip().lower() == "true" or self.exporter.strip().lower() == "none"
        return bool(self.address) and not off

    @property
    def address(self) -> str:
        """Where spans are sent; '' for nowhere."""
        return self.traces_endpoint or (f"{self.endpoint.rstrip('/')}/v1/traces" if self.endpoint else "")

    @property
    def named(self) -> frozenset[str]:
        """Attributes of the resource that the environment decides."""
        names = {pair.partition("=")[0].strip() for pair in self.resource.split(",")}
        return frozenset(names | ({"service.name"} if self.service_name else set()))


class IdTracer(NullTracer):
    """Makes ids and no spans: the lines that all processes log of one turn can be found by one id."""

    def start(
        self,
        name: str,
        parent: str = "",
        *,
        kind: Kind = Kind.INTERNAL,
        at_ns: int = 0,
        attributes: Mapping[str, Value] | None = None,
        link: str = "",
    ) -> Span:
        """See Tracer. Steps of a trace have the context of its first one: nothing tells them apart."""
        return NullSpan(parent or f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-00")

    def inside(self, trace: str, **ids: str) -> AbstractContextManager[None]:
        """See Tracer."""
        return log_ids(trace=trace, **ids)


class _OtelSpan:
    __slots__ = ("_ended", "_span", "trace")

    def __init__(self, span: api.Span) -> None:
        self._span, self._ended = span, False
        context = span.get_span_context()
        self.trace = traceparent(
            TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled)
        )

    def set(self, attributes: Mapping[str, Value]) -> None:
        """See Span."""
        if not self._ended:
            self._span.set_attributes(attributes)

    def link(self, trace: str) -> None:
        """See Span."""
        if not self._ended and (context := _context(trace)):
            self._span.add_link(context)

    def end(self, *, at_ns: int = 0, error: str = "") -> None:
        """See Span."""
        if self._ended:
            return
        self._ended = True
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(api.StatusCode.ERROR)
        self._span.end(at_ns or None)


class OtelTracer:
    """Spans by a provider of OpenTelemetry's SDK."""

    on = True

    def __init__(self, provider: TracerProvider, masking: Masking) -> None:
        self._tracer = provider.get_tracer(_SCOPE, RELEASE)
        self._masking = masking

    def start(
        self,
        name: str,
        parent: str = "",
        *,
        kind: Kind = Kind.INTERNAL,
        at_ns: int = 0,
        attributes: Mapping[str, Value] | None = None,
        link: str = "",
    ) -> Span:
        """See Tracer."""
        above, beside = _context(parent), _context(link)
        context = api.set_span_in_context(api.NonRecordingSpan(above), Context()) if above else Context()
        links = [api.Link(beside)] if beside else None
        return _OtelSpan(
            self._tracer.start_span(name, context, _KINDS[kind], attributes, links, start_time=at_ns or None)
        )

    def inside(self, trace: str, **ids: str) -> AbstractContextManager[None]:
        """See Tracer."""
        return log_ids(trace=trace, **ids)

    def words(self, text: str) -> str:
        """See Tracer."""
        return self._masking.text(text)


class Tracing:
    """A process's tracer and its end."""

    def __init__(self, tracer: Tracer, provider: TracerProvider | None = None) -> None:
        self.tracer, self._provider = tracer, provider

    async def close(self) -> None:
        """Send what is left, for `FLUSH_S` at most: a collector that is away holds up no process."""
        if self._provider is None:
            return
        # A thread of its own, and a daemon: the SDK waits for its exporter for half a minute, whatever it is told.
        flush = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, FLUSH_S)


def begin_tracing(settings: TracingSettings, *, service: str, instance: str = "", show_words: bool = False) -> Tracing:
    """The tracer of this process; one that only makes ids where none is asked for, or none can be made."""
    if not settings.on:
        return Tracing(IdTracer())
    protocol = settings.traces_protocol or settings.protocol
    if protocol not in ("", "http/protobuf"):
        _log.warning("spans leave by http/protobuf, not by the protocol asked for", extra={"protocol": protocol})
    try:
        provider = TracerProvider(resource=_resource(settings, service, instance), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.address)))
    except Exception as error:  # a variable that OpenTelemetry cannot use is no reason to serve no guest
        _log.error("no spans are exported", extra={"error": type(error).__name__}, exc_info=True)
        return Tracing(IdTracer())
    _log.info("spans are exported", extra={"words": show_words})
    return Tracing(OtelTracer(provider, Masking(show=show_words)), provider)


@contextlib.asynccontextmanager
async def tracing(
    settings: TracingSettings, *, service: str, instance: str = "", show_words: bool = False
) -> AsyncIterator[Tracer]:
    """The tracer of this process, for as long as it works."""
    made = begin_tracing(settings, service=service, instance=instance, show_words=show_words)
    try:
        yield made.tracer
    finally:
        await made.close()


def _resource(settings: TracingSettings, service: str, instance: str) -> Resource:
    """Who tells the spans: by the environment where it says so."""
    about: dict[str, str | int] = {
        "service.name": service,
        "service.namespace": "botel-voice",
        "service.version": RELEASE,
        "service.instance.id": instance or uuid.uuid4().hex,
        "process.pid": os.getpid(),
    }
    return Resource.create({name: value for name, value in about.items() if name not in settings.named})


def _context(trace: str) -> api.SpanContext | None:
    known = parse_traceparent(trace) if trace else None
    if known is None:
        return None
    flags = api.TraceFlags(api.TraceFlags.SAMPLED if known.sampled else api.TraceFlags.DEFAULT)
    return api.SpanContext(int(known.trace_id, 16), int(known.span_id, 16), is_remote=True, trace_flags=flags)
