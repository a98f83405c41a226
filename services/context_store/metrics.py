"""What the store counts of itself."""

from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry, Counter

from libs.observability import names
from services.context_store.ingest import Tally


class StoreMetrics:
    """Takes the tallies of the ingest."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(names.STORE_EVENTS, "Events taken from the streams", ["outcome"], registry=registry)
        for outcome in Tally.__struct_fields__:
            self._events.labels(outcome)

        self._retired = Counter(names.STORE_RETIRED, "Idle conversations looked at", ["outcome"], registry=registry)

    def retired(self, outcome: str) -> None:
        """What became of an idle conversation."""
        self._retired.labels(outcome).inc()

    def count(self, tally: Tally) -> None:
        for outcome, number in msgspec.structs.asdict(tally).items():
            self._events.labels(outcome).inc(number)
