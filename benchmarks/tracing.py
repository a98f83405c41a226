"""`python -m benchmarks.tracing`: what tracing costs the bus's part of a turn, in processor time of one process.

Worker and gateway are in one process, on a Redis of its own. Three tracers take turns, each on a bus of its own: none,
ids only (no collector is set), spans that go to a collector, which is another process.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import threading
import time
from collections.abc import AsyncGenerator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks import machine
from benchmarks.control import Child, serve
from benchmarks.gateway import Gateway
from deploy.local.ports import HOST, free_port
from libs.bus.bus import Bus, new_id
from libs.bus.feed import Feed
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from libs.bus.tracing import NullTracer
from libs.bus.worker import Worker
from libs.observability.metrics import BusMetrics
from libs.observability.tracing import Tracing, TracingSettings, begin_tracing
from libs.process import run
from tests.servers.redis import running_redis

DOCS = Path("docs/tracing.md")
BEGIN, END = "<!-- cost: begin -->\n", "<!-- cost: end -->\n"
NONE, IDS, SPANS = "no tracer", "ids for messages and logs, no collector", "spans, batched export"
TRACERS = (NONE, IDS, SPANS)
ROUNDS, TURNS, AT_ONCE, WARM_UP = 7, 3_000, 20, 500


class _Collector(BaseHTTPRequestHandler):
    """Takes spans, and counts them."""

    spans = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        told = ExportTraceServiceRequest.FromString(body)
        _Collector.spans += sum(len(scope.spans) for one in told.resource_spans for scope in one.scope_spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


async def _answer(_: Turn) -> AsyncGenerator[str | Done, None]:
    yield "At seven."
    yield Done()


def _tracing(which: str, collector: str) -> Tracing:
    if which == NONE:
        return Tracing(NullTracer())
    return begin_tracing(TracingSettings(endpoint=collector if which == SPANS else ""), service="bench")


async def _cost_us(url: str, which: str, collector: str, turns: int) -> float:
    """Processor microseconds of a turn, of accepting, answering and following it."""
    settings, observer = BusSettings(redis_url=SecretStr(url)), BusMetrics(CollectorRegistry())
    tracing = _tracing(which, collector)
    try:
        async with Bus(settings, observer, "bench", tracing.tracer) as bus, Feed(bus, new_id("gateway")) as feed:
            worker = Worker(bus, new_id("brain"), _answer, slots=64)
            await worker.start()
            gateway = Gateway(bus, feed, reply="At seven.")
            await gateway.closed(WARM_UP, AT_ONCE)
            before = time.process_time()
            await gateway.closed(turns, AT_ONCE)
            took = time.process_time() - before
            await worker.drain(0)
    finally:
        await tracing.close()
    return took / turns * 1e6


async def measure(rounds: int, turns: int) -> tuple[dict[str, list[float]], float]:
    """Microseconds of a turn by tracer, a figure per round; and spans per turn. Rounds begin with another tracer each.

    `RuntimeError` when spans did not arrive: what is dropped costs less.
    """
    found: dict[str, list[float]] = {which: [] for which in TRACERS}
    port = free_port()
    with running_redis() as redis:
        async with Child("benchmarks.tracing", "--collect", str(port)) as collector:
            for number in range(rounds):
                for turn in range(len(TRACERS)):
                    which = TRACERS[(number + turn) % len(TRACERS)]
                    redis.flush()
                    found[which].append(await _cost_us(redis.url, which, f"http://{HOST}:{port}", turns))
                print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            arrived = await collector.ask("spans") / (rounds * (turns + WARM_UP))
    if abs(arrived - round(arrived)) > 0.02:
        raise RuntimeError(f"{arrived:.2f} spans of a turn arrived: the queue dropped some")
    return found, arrived


def table(found: dict[str, list[float]], spans: float) -> str:
    """For docs/tracing.md."""
    about = machine.describe()
    lines = [
        f"`.venv/bin/python -m benchmarks.tracing`, {len(found[NONE])} rounds of {TURNS} turns. "
        f"{about['cores']} cores, {about['processor']}, {about['system']}, {about['python']}.",
        "",
        "| | µs a turn, median | [rounds] | more than without |",
        "|---|---|---|---|",
    ]
    for which, values in found.items():
        what = f"{spans:.0f} {which}" if which == SPANS else which
        more = statistics.median(one - none for one, none in zip(values, found[NONE], strict=True))
        told = "" if which == NONE else f"{more:.0f}"
        lines.append(f"| {what} | {statistics.median(values):.0f} | [{min(values):.0f}-{max(values):.0f}] | {told} |")
    return "\n".join(lines)


async def _collect(port: int) -> None:
    server = HTTPServer((HOST, port), _Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    async def spans() -> int:
        return _Collector.spans

    await serve({"spans": spans})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/tracing.md")
    parser.add_argument("--collect", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.collect:
        run(_collect(options.collect))
        return 0
    told = table(*run(measure(options.rounds, TURNS)))
    print(told)
    if options.write_docs:
        page = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(f"{page.split(BEGIN)[0]}{BEGIN}{told}\n{END}{page.split(END)[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
