"""Prometheus metrics of a process on the bus: implements `libs.bus.observer.Observer`. Every registry is given."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from libs.contracts.events import ReplyStatus
from libs.contracts.turns import Verdict
from libs.observability import names
from libs.observability.labels import MAX_PROPERTIES, Properties

SCRIPT_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
QUEUE_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_ATTEMPTS = ("1", "2", "3")
_MORE = "more"
TURN_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)


def process_registry(service: str, version: str) -> CollectorRegistry:
    """A registry for one process: CPU and memory where the platform tells them, Python, build info."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    info = Gauge(names.BUILD_INFO, "Constant 1", ["service", "version", "python"], registry=registry)
    info.labels(service, version, platform.python_version()).set(1)
    return registry


class BusMetrics:
    """What a bus tells, counted. Durations come in milliseconds and are kept in seconds."""

    def __init__(self, registry: CollectorRegistry, *, max_properties: int = MAX_PROPERTIES) -> None:
        self._properties = Properties(max_properties)
        self._accepted = Counter(names.TURNS_ACCEPTED, "Turns offered", ["property", "outcome"], registry=registry)
        self._retried = Counter(
            names.TURNS_RETRIED, "Turns taken again after a run that did not end", registry=registry
        )
        self._queue = _histogram(registry, names.TURN_QUEUE, "Accepted to claimed", QUEUE_BUCKETS)
        self._duration = _histogram(registry, names.TURN_DURATION, "Claimed to committed", TURN_BUCKETS)
        self._in_flight = Gauge(names.TURNS_IN_FLIGHT, "Turns that this worker runs", registry=registry)

        def counter(name: str, text: str, label: str, known: Iterable[str]) -> Counter:
            return _counter(registry, name, text, label, known)

        self._claimed = counter(names.TURNS_CLAIMED, "Turns taken, by verdict", "verdict", Verdict)
        self._attempts = counter(names.TURN_ATTEMPTS, "Runs begun, by attempt", "attempt", (*_ATTEMPTS, _MORE))
        self._committed = counter(names.TURNS_COMMITTED, "Turns ended, by status", "status", ReplyStatus)
        self._fenced = counter(names.WRITES_FENCED, "Writes of a run that lost its turn", "step", ("run", "commit"))
        self._reaped = counter(
            names.CONVERSATIONS_REAPED, "Conversations taken from lost workers", "outcome", ("revived", "unclaimed")
        )
        self._cancels = counter(names.CANCELS, "Cancels recorded", "outcome", ("running", "queued", "done", "early"))
        self._healed = counter(
            names.FOLLOWERS_HEALED, "Gaps mended by followers", "what", ("log", "draft", "lost writes")
        )
        self._refused = counter(
            names.WRITES_REFUSED,
            "Writes of running turns that a full Redis refused",
            "step",
            ("emit", "journal", "commit"),
        )
        self._dead = counter(
            names.DEAD_LETTERS_BY_KIND, "Dead letters written", "kind", ("exhausted", "unreadable", "entry", "event")
        )
        self._script = Histogram(
            names.SCRIPT, "Script calls, queueing to reply", ["script"], buckets=SCRIPT_BUCKETS, registry=registry
        )
        self._scripts: dict[str, Histogram] = {}
        self._reconnects = Counter(names.RECONNECTS, "Connections to Redis made again", ["what"], registry=registry)

    def accepted(self, property_id: str, outcome: str) -> None:
        """See Observer."""
        self._accepted.labels(self._properties.label(property_id), outcome).inc()

    def claimed(self, verdict: str, queue_ms: float, attempt: int) -> None:
        """See Observer."""
        self._claimed.labels(verdict).inc()
        self._attempts.labels(str(attempt) if str(attempt) in _ATTEMPTS else _MORE).inc()
        if attempt > 1:
            # A second attempt waited for a dead worker: that is failover, not queueing.
            self._retried.inc()
        else:
            self._queue.observe(queue_ms / 1000)

    def committed(self, status: str, total_ms: float) -> None:
        """See Observer."""
        self._committed.labels(status).inc()
        self._duration.observe(total_ms / 1000)

    def in_flight(self, turns: int) -> None:
        """See Observer."""
        self._in_flight.set(turns)

    def fenced(self, step: str) -> None:
        """See Observer."""
        self._fenced.labels(step).inc()

    def reaped(self, outcome: str) -> None:
        """See Observer."""
        self._reaped.labels(outcome).inc()

    def cancelled(self, outcome: str) -> None:
        """See Observer."""
        self._cancels.labels(outcome).inc()

    def healed(self, what: str) -> None:
        """See Observer."""
        self._healed.labels(what).inc()

    def refused(self, step: str) -> None:
        """See Observer."""
        self._refused.labels(step).inc()

    def dead_letter(self, kind: str) -> None:
        """See Observer."""
        self._dead.labels(kind).inc()

    def script(self, name: str, ms: float) -> None:
        """See Observer."""
        script = self._scripts.get(name)
        if script is None:  # looked up once: this is called for every command
            script = self._scripts[name] = self._script.labels(name)
        script.observe(ms / 1000)

    def reconnected(self, what: str) -> None:
        """See Observer."""
        self._reconnects.labels(what).inc()


def _histogram(registry: CollectorRegistry, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(name, text, buckets=buckets, registry=registry)


def _counter(registry: CollectorRegistry, name: str, text: str, label: str, known: Iterable[str]) -> Counter:
    """With a series for every known value: the first of something rare is an increase, not a new series."""
    counter = Counter(name, text, [label], registry=registry)
    for value in known:
        counter.labels(str(value))
    return counter
