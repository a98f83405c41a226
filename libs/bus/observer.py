"""What the bus tells whoever watches it. libs.observability implements it with Prometheus; tests record it."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """All durations are milliseconds."""

    def accepted(self, property_id: str, outcome: str) -> None:
        """A turn was offered: ok, duplicate, busy, overloaded, cancelled, large or unknown."""

    def claimed(self, verdict: str, queue_ms: float, attempt: int) -> None:
        """A turn was taken by this worker."""

    def committed(self, status: str, total_ms: float) -> None:
        """A turn ended."""

    def in_flight(self, turns: int) -> None:
        """Turns that this worker runs now."""

    def fenced(self, step: str) -> None:
        """A write of a run that no longer owns its turn was refused."""

    def reaped(self, outcome: str) -> None:
        """A conversation of a dead worker was looked at."""

    def cancelled(self, outcome: str) -> None:
        """A cancel was recorded: running, queued, done or early."""

    def healed(self, what: str) -> None:
        """A follower mended a gap (log, draft), or went back with a log that lost its last events (lost writes)."""

    def refused(self, step: str) -> None:
        """A write of a running turn (emit, journal, commit) was refused by a full Redis; it is tried again."""

    def dead_letter(self, kind: str) -> None:
        """A dead letter was written: exhausted or unreadable (a turn), entry or event (it could not be read)."""

    def script(self, name: str, ms: float) -> None:
        """A script call, from queueing to reply."""

    def reconnected(self, what: str) -> None:
        """A connection to Redis was made again."""


class NullObserver:
    """Watches nothing."""

    def accepted(self, property_id: str, outcome: str) -> None:
        """See Observer."""

    def claimed(self, verdict: str, queue_ms: float, attempt: int) -> None:
        """See Observer."""

    def committed(self, status: str, total_ms: float) -> None:
        """See Observer."""

    def in_flight(self, turns: int) -> None:
        """See Observer."""

    def fenced(self, step: str) -> None:
        """See Observer."""

    def reaped(self, outcome: str) -> None:
        """See Observer."""

    def cancelled(self, outcome: str) -> None:
        """See Observer."""

    def healed(self, what: str) -> None:
        """See Observer."""

    def refused(self, step: str) -> None:
        """See Observer."""

    def dead_letter(self, kind: str) -> None:
        """See Observer."""

    def script(self, name: str, ms: float) -> None:
        """See Observer."""

    def reconnected(self, what: str) -> None:
        """See Observer."""
