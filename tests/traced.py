"""A tracer whose spans stay in this process, for tests of what tells it."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.contracts.trace import TraceContext, parse_traceparent
from libs.observability.masking import Masking
from libs.observability.tracing import OtelTracer


class Traced:
    """`tracer` is the real one, over a provider that exports into a list."""

    def __init__(self, *, show: bool = False) -> None:
        self._exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = OtelTracer(provider, Masking(show=show))

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that are over, in the order in which they began."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def only(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span


def told(span: ReadableSpan) -> dict[str, object]:
    """Its attributes."""
    return dict(span.attributes or {})


def context_of(span: ReadableSpan) -> TraceContext:
    """As a message would bear it."""
    assert span.context is not None
    return TraceContext(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", sampled=True)


def is_child(span: ReadableSpan, trace: str) -> bool:
    """Whether its parent is the step that this traceparent names."""
    above = parse_traceparent(trace)
    assert above
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return (context_of(span).trace_id, parent) == (above.trace_id, above.span_id)


def error_of(span: ReadableSpan) -> str:
    """What went wrong; '' for nothing."""
    return str(told(span).get("error.type", ""))
