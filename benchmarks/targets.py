"""The targets, and whether they were met. A missed one is said to be missed."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.figures import Run, Spread
from benchmarks.plan import ALONE, BRAIN_ALONE, BRAIN_LOADED, FIFTY, POST, STEADY


class Verdict(enum.StrEnum):
    MET = "met"
    NOISE = "within noise"
    """A ratio whose median is past its limit, but whose range over the runs reaches to the limit."""
    MISSED = "MISSED"


class Target(msgspec.Struct, frozen=True):
    what: str
    limit: float
    unit: str
    measured: Spread
    """Over the runs; the median is what is judged."""
    verdict: Verdict


def judge(runs: Sequence[Run]) -> list[Target]:
    """Every target, measured and judged."""

    def target(what: str, limit: float, unit: str, figure: Callable[[Run], float], *, least: bool = False) -> Target:
        measured = Spread.of(map(figure, runs))
        met = measured.median >= limit if least else measured.median <= limit
        noise = unit == _TIMES_POST and measured.low <= limit
        return Target(what, limit, unit, measured, Verdict.MET if met else Verdict.NOISE if noise else Verdict.MISSED)

    return [
        target("first chunk, alone, p50", 1.0, "ms", lambda run: run.answers[ALONE]["bus"].first.p50),
        target("first chunk, alone, p99", 2.0, "ms", lambda run: run.answers[ALONE]["bus"].first.p99),
        target("first chunk at 200 turns/s, p50", 1.0, _TIMES_POST, lambda run: times_post(run, STEADY)),
        target("first chunk at 50 at once, p50", 1.0, _TIMES_POST, lambda run: times_post(run, FIFTY)),
        target("brain beyond its model, alone, p50", 2.0, "ms", lambda run: run.overhead[BRAIN_ALONE].p50),
        target("brain beyond its model, 100 at once, p95", 10.0, "ms", lambda run: run.overhead[BRAIN_LOADED].p95),
        target("chunks delivered", 100.0, "%", lambda run: run.chunks.delivered * 100, least=True),
        target("chunk latency, p99", 5.0, "ms", lambda run: run.chunks.late.p99),
        target("brain CPU per chunk", 15.0, "us", lambda run: run.chunks.brain_cpu_us),
        target("cancel to generation stopped, p99", 5.0, "ms", lambda run: run.cancel.p99),
    ]


_TIMES_POST = "x POST"


def times_post(run: Run, shape: str, peer: str = "bus") -> float:
    """A peer's median time to the first words against plain POST's, both of the same run."""
    answers = run.answers[shape]
    return answers[peer].first.p50 / answers[POST].first.p50
