"""The tables, in Markdown, which a terminal shows as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.figures import Answers, Percentiles, Run, Spread
from benchmarks.plan import ALONE, PEERS, POST, STEADY
from benchmarks.tables import range_text, spread_text, table
from benchmarks.targets import Target, times_post

PLAN_ESTIMATE_MS = (100, 200)
"""The plan's estimate for the extra hop."""

_HEAD = (
    "load",
    "peer",
    "first p50",
    "[runs]",
    "p95",
    "p99",
    "last p50",
    "p95",
    "p99",
    "x POST",
    "turns/s",
    "CPU us/turn",
)


def render(runs: Sequence[Run], targets: Sequence[Target], machine: dict[str, str]) -> str:
    """Everything that `make bench` prints and docs/benchmarks.md shows."""
    return "\n\n".join(
        (
            "\n".join(f"- {name}: {value}" for name, value in machine.items()),
            f"{len(runs)} runs, each on fresh processes, its loads in an order of its own. A percentile is the median\n"
            "over the runs of each run's percentile; [runs] is the range over the runs of the p50, among the targets\n"
            "of the figure itself. Milliseconds where nothing else is said.",
            "### Targets",
            table(("what", "target", "measured", "[runs]", "verdict"), map(_target, targets)),
            "### Question to answer, no model latency, 20 tokens",
            table(_HEAD, (_answers(runs, shape, peer) for shape in runs[0].answers for peer in PEERS)),
            "### The hop",
            _hop(runs),
            "### The rest",
            table(("what", "p50", "[runs]", "p95", "p99", "count per run"), _rest(runs)),
            _chunks(runs),
        )
    )


def _target(target: Target) -> Iterable[str]:
    sign = "≥" if target.unit == "%" else "≤"
    measured = target.measured
    yield target.what
    yield f"{sign} {target.limit:g} {target.unit}"
    yield f"{measured.median:.2f}"
    yield range_text(measured)
    yield target.verdict.value


def _answers(runs: Sequence[Run], shape: str, peer: str) -> Iterable[str]:
    found = [run.answers[shape][peer] for run in runs]
    yield from (shape, peer)
    yield from _percentiles([one.first for one in found])
    yield from _percentiles([one.last for one in found], ranged=False)
    yield "1" if peer == POST else spread_text(Spread.of(times_post(run, shape, peer) for run in runs))
    yield f"{Spread.of(one.per_s for one in found).median:.0f}"
    yield _cpu(found)


def _cpu(found: Sequence[Answers]) -> str:
    return ", ".join(f"{name} {Spread.of(one.cpu_us[name] for one in found).median:.0f}" for name in found[0].cpu_us)


def _hop(runs: Sequence[Run]) -> str:
    def extra(shape: str) -> str:
        answers = [run.answers[shape] for run in runs]
        return spread_text(Spread.of(one["bus"].first.p50 - one[POST].first.p50 for one in answers))

    low, high = PLAN_ESTIMATE_MS
    ping = Spread.of(run.answers[ALONE]["bus"].first.p50 / run.floor["PING"].p50 for run in runs)
    return (
        f"The plan's estimate for the extra hop is {low}-{high} ms. Measured, p50 to the first words, bus minus plain "
        f"POST in the same run: {extra(ALONE)} ms alone, {extra(STEADY)} ms at 200 turns/s. Alone a turn's first words "
        f"take {spread_text(ping)} times one PING."
    )


def _rest(runs: Sequence[Run]) -> Iterable[Iterable[str]]:
    rows = {
        "floor: PING, one connection": [run.floor["PING"] for run in runs],
        "floor: XADD of 100 bytes, one connection": [run.floor["XADD"] for run in runs],
        "chunk: yielded to at the gateway": [run.chunks.late for run in runs],
        "cancel to generation stopped": [run.cancel for run in runs],
        **{what: [run.overhead[what] for run in runs] for what in runs[0].overhead},
    }
    for what, found in rows.items():
        yield (what, *_percentiles(found, digits=3), f"{found[0].count}")


def _chunks(runs: Sequence[Run]) -> str:
    def spread(values: Iterable[float], digits: int = 1) -> str:
        return spread_text(Spread.of(values), digits)

    return (
        f"Paced replies: {spread((run.chunks.delivered * 100 for run in runs), 2)} % of the chunks delivered, "
        f"{spread((run.chunks.per_s for run in runs), 0)} per second; brain CPU per chunk "
        f"{spread(run.chunks.brain_cpu_us for run in runs)} us, of which making the token costs "
        f"{spread(run.chunks.making_cpu_us for run in runs)} us without a bus."
    )


def _percentiles(found: Sequence[Percentiles], *, ranged: bool = True, digits: int = 2) -> Iterable[str]:
    middle = Spread.of(one.p50 for one in found)
    yield f"{middle.median:.{digits}f}"
    if ranged:
        yield range_text(middle, digits)
    yield f"{Spread.of(one.p95 for one in found).median:.{digits}f}"
    yield f"{Spread.of(one.p99 for one in found).median:.{digits}f}"
