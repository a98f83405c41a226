"""Requests of an HTTP service as metrics: implements `libs.web.scope.RequestWatcher`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

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
