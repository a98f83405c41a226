"""Requests of an HTTP service as metrics: implements `RequestWatcher` and `RateWatcher` of libs.web."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.observability import names

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_UNROUTED = "none"


class HttpMetrics:
    """One histogram by route template, method and status: all closed sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Histogram(
            names.HTTP_REQUESTS,
            "Requests, from their head to the end of the answer",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """See RequestWatcher. A request for no route keeps no method either: both are the client's invention."""
        self._requests.labels(method if route else _UNROUTED, route or _UNROUTED, str(status)).observe(seconds)


class RateMetrics:
    """What was refused by rate, and what could not be counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._limited = Counter(
            names.HTTP_LIMITED, "Requests refused: their key asks too often", ["property", "what"], registry=registry
        )
        self._uncounted = Counter(
            names.HTTP_UNCOUNTED, "Requests let through uncounted: Redis was away", ["what"], registry=registry
        )

    def limited(self, property_id: str, what: str) -> None:
        """See RateWatcher."""
        self._limited.labels(property_id, what).inc()

    def uncounted(self, what: str) -> None:
        """See RateWatcher."""
        self._uncounted.labels(what).inc()
