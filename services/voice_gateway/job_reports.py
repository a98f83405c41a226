"""What the processes of calls in rooms count, told to the gateway that they belong to: they have no port of their own.

A job has a `Reporter`, an observer of its bus that passes on what it is told over a Unix socket, twice a second; the
gateway's `JobReports` counts it as its own. What happened is passed on, not sums: one place bounds labels and keeps the
sums, which outlive the job. What was not passed on when a job is killed, half a second at most, is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.bus.observer import Observer
from libs.observability import names
from libs.observability.loop_lag import BUCKETS
from services.voice_gateway.speech.failure import ProviderChange, ProviderWatch

_log = logging.getLogger(__name__)
_EVERY_S = 0.5
_LAST_S = 1.0
"""For the last of it: a gateway that has stalled does not keep a process whose call is over."""
_MOST = 5_000
"""Told and not yet passed on: a gateway that is busy must not fill its jobs."""
_LINE_BYTES = 1_048_576
_OBSERVED = frozenset(
    [
        "accepted",
        "claimed",
        "committed",
        "in_flight",
        "fenced",
        "reaped",
        "cancelled",
        "healed",
        "refused",
        "dead_letter",
        "script",
        "reconnected",
    ]
)
"""The observer's methods: nothing else is called for a job."""
_LATE, _LOST, _PROVIDER = "late", "lost", "provider"

Told = tuple[str, list[str | int | float | bool]]


class Reporter:
    """Implements `Observer` in a job: `async with Reporter(path)`. Without a gateway that listens, nothing is kept."""

    def __init__(self, path: str, *, every_s: float = _EVERY_S) -> None:
        self._path, self._every_s = path, every_s
        self._told: list[Told] = []
        self._lost = 0
        self._writer: asyncio.StreamWriter | None = None
        self._passing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Reporter:
        try:
            _, self._writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            _log.warning("what this job counts is not told", extra={"error": type(error).__name__})
            return self
        self._passing = asyncio.create_task(self._pass_on(), name="job reports")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._passing:
            self._passing.cancel()
            await asyncio.gather(self._passing, return_exceptions=True)
        if self._writer:
            with contextlib.suppress(OSError):  # TimeoutError is one
                async with asyncio.timeout(_LAST_S):
                    await self._flush()
            self._close()

    def late(self, seconds: float) -> None:
        """For `loop_lag.Lateness`."""
        self._tell(_LATE, seconds)

    def provider(self, change: ProviderChange) -> None:
        """For `speech.failure.ProviderWatch`; the reason stays in the log."""
        self._tell(_PROVIDER, change.part, change.provider, change.works)

    def accepted(self, property_id: str, outcome: str) -> None:
        """See Observer."""
        self._tell("accepted", property_id, outcome)

    def claimed(self, verdict: str, queue_ms: float, attempt: int) -> None:
        """See Observer."""
        self._tell("claimed", verdict, queue_ms, attempt)

    def committed(self, status: str, total_ms: float) -> None:
        """See Observer."""
        self._tell("committed", status, total_ms)

    def in_flight(self, turns: int) -> None:
        """See Observer."""
        self._tell("in_flight", turns)

    def fenced(self, step: str) -> None:
        """See Observer."""
        self._tell("fenced", step)

    def reaped(self, outcome: str) -> None:
        """See Observer."""
        self._tell("reaped", outcome)

    def cancelled(self, outcome: str) -> None:
        """See Observer."""
        self._tell("cancelled", outcome)

    def healed(self, what: str) -> None:
        """See Observer."""
        self._tell("healed", what)

    def refused(self, step: str) -> None:
        """See Observer."""
        self._tell("refused", step)

    def dead_letter(self, kind: str) -> None:
        """See Observer."""
        self._tell("dead_letter", kind)

    def script(self, name: str, ms: float) -> None:
        """See Observer."""
        self._tell("script", name, ms)

    def reconnected(self, what: str) -> None:
        """See Observer."""
        self._tell("reconnected", what)

    def _tell(self, name: str, *given: str | float | bool) -> None:
        if self._writer is None:
            return
        if len(self._told) >= _MOST:
            self._lost += 1
        else:
            self._told.append((name, list(given)))

    async def _pass_on(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._every_s)
                await self._flush()
        except OSError:  # the gateway is gone; the call may go on without it
            self._close()

    def _close(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None

    async def _flush(self) -> None:
        told, lost, writer = self._told, self._lost, self._writer
        if lost:
            told.append((_LOST, [lost]))
        self._told, self._lost = [], 0
        if told and writer:
            writer.write(msgspec.json.encode(told) + b"\n")
            await writer.drain()


class JobReports:
    """Counts what jobs tell: `async with JobReports(...) as reports`, and give jobs `reports.path`."""

    def __init__(self, registry: CollectorRegistry, observer: Observer, watch: ProviderWatch) -> None:
        self._observer, self._watch = observer, watch
        self._jobs = Gauge(names.JOBS, "Processes of calls in rooms", registry=registry)
        self._late = Histogram(names.JOB_LOOP_LAG, "Delay of timers in jobs", buckets=BUCKETS, registry=registry)
        self._lost = Counter(names.JOB_REPORTS_LOST, "Observations that jobs could not tell", registry=registry)
        self.folder = Path()
        """Of the socket: nobody but this user may enter it."""
        self._server: asyncio.Server | None = None
        self._listening: set[asyncio.Task[None]] = set()
        self._others: dict[str, Callable[..., None]] = {
            _LATE: self._late.observe,
            _LOST: self._lost.inc,
            _PROVIDER: self._provider,
        }

    @property
    def path(self) -> str:
        return str(self.folder / "jobs")

    async def __aenter__(self) -> JobReports:
        self.folder = Path(tempfile.mkdtemp(prefix="botel-"))
        self._server = await asyncio.start_unix_server(self._meet, self.path, limit=_LINE_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._listen(reader, writer), name="job reports")
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._jobs.inc()
        try:
            while line := await reader.readline():
                self._count(msgspec.json.decode(line, type=list[Told]))
        except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
            _log.warning("a job's report is not readable", extra={"error": type(error).__name__})
        finally:
            self._jobs.dec()
            writer.close()

    def _count(self, told: list[Told]) -> None:
        for name, given in told:
            count = getattr(self._observer, name) if name in _OBSERVED else self._others.get(name)
            if count is None:
                raise ValueError("a report of something that nobody counts")
            count(*given)

    def _provider(self, part: str, provider: str, works: bool) -> None:
        change = msgspec.convert({"part": part, "provider": provider, "works": works}, ProviderChange)
        self._watch(change)


def log_and_tell(reporter: Reporter) -> ProviderWatch:
    """Of a provider that changes in a job: into its log, and to the gateway once the job has a call."""

    def watch(change: ProviderChange) -> None:
        _log.warning("speech provider", extra=dataclasses.asdict(change))
        reporter.provider(change)

    return watch
