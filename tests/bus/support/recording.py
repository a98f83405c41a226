"""An observer that keeps what it was told."""

from __future__ import annotations


class Recording:
    """Implements `Observer`: every call as (name, arguments)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []

    def counted(self, name: str, *first: object) -> int:
        """Calls of this name whose first arguments are these."""
        return sum(called == name and arguments[: len(first)] == first for called, arguments in self.calls)

    def accepted(self, property_id: str, outcome: str) -> None:
        self.calls.append(("accepted", (property_id, outcome)))

    def claimed(self, verdict: str, queue_ms: float, attempt: int) -> None:
        self.calls.append(("claimed", (verdict, queue_ms, attempt)))

    def committed(self, status: str, total_ms: float) -> None:
        self.calls.append(("committed", (status, total_ms)))

    def in_flight(self, turns: int) -> None:
        self.calls.append(("in_flight", (turns,)))

    def fenced(self, step: str) -> None:
        self.calls.append(("fenced", (step,)))

    def reaped(self, outcome: str) -> None:
        self.calls.append(("reaped", (outcome,)))

    def cancelled(self, outcome: str) -> None:
        self.calls.append(("cancelled", (outcome,)))

    def healed(self, what: str) -> None:
        self.calls.append(("healed", (what,)))

    def refused(self, step: str) -> None:
        self.calls.append(("refused", (step,)))

    def dead_letter(self, kind: str) -> None:
        self.calls.append(("dead_letter", (kind,)))

    def script(self, name: str, ms: float) -> None:
        self.calls.append(("script", (name, ms)))

    def reconnected(self, what: str) -> None:
        self.calls.append(("reconnected", (what,)))
