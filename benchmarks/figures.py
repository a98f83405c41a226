"""From measurements to figures: percentiles of a run, and how they spread over runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec


class Percentiles(msgspec.Struct, frozen=True):
    """Of one run."""

    p50: float
    p95: float
    p99: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Percentiles:
        ordered = sorted(values)
        p50, p95, p99 = (ordered[int((len(ordered) - 1) * share)] for share in (0.50, 0.95, 0.99))
        return cls(p50, p95, p99, len(ordered))


class Spread(msgspec.Struct, frozen=True):
    """A figure over all runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        kept = list(values)
        return cls(statistics.median(kept), min(kept), max(kept))


class Answers(msgspec.Struct, frozen=True):
    """One load on one peer, in one run. Milliseconds from asking to the first words and to the last."""

    first: Percentiles
    last: Percentiles
    per_s: float
    cpu_us: dict[str, float]
    """Processor microseconds per turn, by process."""


class Chunks(msgspec.Struct, frozen=True):
    """The paced replies of one run."""

    late: Percentiles
    """Milliseconds from a token's yield to its arrival at the gateway."""
    delivered: float
    """Share of the tokens that arrived."""
    per_s: float
    brain_cpu_us: float
    """Processor microseconds of the brain per token, the making of the token included."""
    making_cpu_us: float
    """What making the tokens alone costs, without a bus."""


class Run(msgspec.Struct, frozen=True):
    """Everything that one repetition measured."""

    floor: dict[str, Percentiles]
    answers: dict[str, dict[str, Answers]]
    """By shape, then by peer."""
    chunks: Chunks
    overhead: dict[str, Percentiles]
    """Milliseconds that the brain adds to its model's first token, by what is measured."""
    cancel: Percentiles
    """Milliseconds from the gateway's cancel to the end of the generation."""
