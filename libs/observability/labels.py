"""Which labels a metric may have, and labels that others choose the values of, kept within a bound."""

from __future__ import annotations

MAX_PROPERTIES = 500
"""Property labels of one process; what comes after is counted under OTHER."""
OTHER = "other"

LABELS = frozenset(
    [
        "attempt",
        "channel",
        "event",
        "group",
        "kind",
        "method",
        "outcome",
        "part",
        "property",
        "provider",
        "python",
        "reason",
        "route",
        "script",
        "service",
        "shard",
        "stage",
        "state",
        "status",
        "step",
        "stream",
        "verdict",
        "version",
        "what",
        "where",
        "why",
    ]
)
"""Every label of every metric of ours: closed sets, and `property`. A test holds all that is registered to it."""


class Properties:
    """Property ids as label values of one metric: the first `most` that come, then OTHER."""

    def __init__(self, most: int = MAX_PROPERTIES) -> None:
        self._known: set[str] = set()
        self._most = most

    def label(self, property_id: str) -> str:
        if property_id not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(property_id)
        return property_id
