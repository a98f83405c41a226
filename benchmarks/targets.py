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
    """A ratio past its limit, but no further than POST's own figure goes from run to run."""
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
        return Target(what, limit, unit, measured, Verdict.MET if met else Verdict.MISSED)

    def no_slower(what: str, shape: str) -> Target:
        judged = target(what, 1.0, "x POST", lambda run: times_post(run, shape))
        post = Spread.of(run.answers[shape][POST].first.p50 for run in runs)
        noisy = judged.verdict is Verdict.MISSED and judged.measured.median <= post.high / post.median
        return msgspec.structs.replace(judged, verdict=Verdict.NOISE) if noisy else judged

    return [
        target("first chunk, alone, p50", 1.0, "ms", lambda run: run.answers[ALONE]["bus"].first.p50),
        target("first chunk, alone, p99", 2.0, "ms", lambda run: run.answers[ALONE]["bus"].first.p99),
        no_slower("first chunk at 200 turns/s, p50", STEADY),
        no_slower("first chunk at 50 at once, p50", FIFTY),
        target("brain beyond its model, alone, p50", 2.0, "ms", lambda run: run.overhead[BRAIN_ALONE].p50),
        target("brain beyond its model, 100 at once, p95", 10.0, "ms", lambda run: run.overhead[BRAIN_LOADED].p95),
        target("chunks delivered", 100.0, "%", lambda run: run.chunks.delivered * 100, least=True),
        target("chunk latency, p99", 5.0, "ms", lambda run: run.chunks.late.p99),
        target("brain CPU per chunk", 15.0, "us", lambda run: run.chunks.brain_cpu_us),
        target("cancel to generation stopped, p99", 5.0, "ms", lambda run: run.cancel.p99),
    ]


def times_post(run: Run, shape: str, peer: str = "bus") -> float:
    """A peer's median time to the first words against plain POST's, both of the same run."""
    answers = run.answers[shape]
    return answers[peer].first.p50 / answers[POST].first.p50
