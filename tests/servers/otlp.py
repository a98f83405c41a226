"""A collector of traces: takes OTLP over HTTP, as Jaeger, Tempo and OpenTelemetry's own do, and keeps the spans."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.eventually import eventually
from tests.servers.asgi import serving

_PROTOBUF = "application/x-protobuf"


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A span as it was exported. Ids are hexadecimal, '' for none; times Unix nanoseconds."""

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    begin: int
    end: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    failed: bool
    links: tuple[str, ...] = ()
    """Ids of traces."""


class Collector:
    """`headers` are those of the last export; `raw` is every body, to search for words in."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Collected] = []
        self.raw: list[bytes] = []
        self.headers: Mapping[str, str] = {}
        self.app = Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        assert request.headers["content-type"] == _PROTOBUF
        body = await request.body()
        self.raw.append(body)
        self.headers = dict(request.headers)
        self.spans += _collected(ExportTraceServiceRequest.FromString(body))
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type=_PROTOBUF)

    def trace(self, trace_id: str) -> list[Collected]:
        """The spans of one trace, in the order in which they began."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.begin)

    async def trace_with(self, *names: str, turn_id: str = "", times: int = 1) -> list[Collected]:
        """The one trace of a turn, once it has so many spans of each of these names."""

        def complete(found: list[Collected]) -> bool:
            told = [span.name for span in found]
            return all(told.count(name) >= times for name in names)

        async def found() -> list[Collected]:
            mine = {span.trace_id for span in self.spans if span.attributes.get("botel.turn_id") == turn_id}
            assert len(mine) <= 1, "one trace for each turn"
            return self.trace(mine.pop()) if mine else []

        return await eventually(found, complete)


@contextlib.asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    collector = Collector()
    async with serving(collector.app) as collector.url:
        yield collector


def exporting(url: str) -> dict[str, str]:
    """The environment of a process that exports there, soon after a span has ended."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}


def orphans(spans: Iterable[Collected]) -> list[str]:
    """Spans whose parent is none of these."""
    known = list(spans)
    ids = {span.span_id for span in known}
    return [span.name for span in known if span.parent_id and span.parent_id not in ids]


def _collected(request: ExportTraceServiceRequest) -> Iterable[Collected]:
    for group in request.resource_spans:
        resource = {pair.key: _value(pair.value) for pair in group.resource.attributes}
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Collected(
                    name=span.name,
                    service=str(resource.get("service.name", "")),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    begin=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    attributes={pair.key: _value(pair.value) for pair in span.attributes},
                    resource=resource,
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    links=tuple(link.trace_id.hex() for link in span.links),
                )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
