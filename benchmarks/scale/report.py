"""What is written and what has to hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.scale.book import Count
from benchmarks.scale.plan import ALERT, Plan
from benchmarks.scale.scene import Story
from benchmarks.scale.series import Seen
from benchmarks.scale.throughput import MACHINE_SHARE, MODEL_SHARE, OTHERS_SHARE, SLOTS, Bound, Phase, Row
from benchmarks.tables import range_text, spread_text, table

COMMAND = "make scale-demo"


class Report(msgspec.Struct, frozen=True):
    """out/scale/report.json."""

    machine: dict[str, str]
    cores: int
    plan: Plan
    prometheus: str
    rules: dict[str, str]
    """SHA-256 of the rule files that Prometheus read: those of deploy/prometheus."""
    story: Story
    seen: Seen
    answers: Count
    troubles: dict[str, int]
    phases: list[Phase]
    rows: list[Row]
    arrivals: list[tuple[float, float]]
    served: list[tuple[float, float]]
    """Per second, over the scene: middle of a step in seconds since its beginning, and the rate."""


def verdicts(report: Report) -> dict[str, bool]:
    """Everything that is shown, and whether it was."""
    story, rows, few = report.story, report.rows, report.story.served_by_one_per_s
    waited = report.seen.lines["oldest"].values
    return {
        "one brain cannot hold the rush": bool(few) and few < 0.95 * story.came_meanwhile_per_s,
        f"{ALERT} fired in Prometheus": bool(story.fired and report.seen.firing),
        "the oldest waiting age rose past the alert's 3 s": max(waited, default=0.0) > 3,
        f"{ALERT} cleared with {report.plan.brains_then} brains, while the rush went on": bool(story.cleared),
        "no answer lost, doubled, strange or different": report.answers.clean,
        f"{rows[-1].brains} brains answer more than {rows[0].brains}": rows[-1].per_s.low > rows[0].per_s.high,
    }


def render(report: Report) -> str:
    """What the command prints and docs/scaling.md shows."""
    return "\n\n".join(
        (
            "\n".join(f"- {name}: {value}" for name, value in _machine(report)),
            "### The scene",
            "\n".join(_scene(report)),
            table(("shown", "held"), ((what, "yes" if held else "**no**") for what, held in verdicts(report).items())),
            "### Turns per second, every slot taken",
            table(
                ("brains", "turns/s", "[runs]", "times", "model allows", "cores busy", "[runs]", "other work", "bound"),
                map(_row, report.rows),
            ),
            _where(report),
            table(("cores, median", *report.rows[0].cores), map(_cores, report.rows)),
        )
    )


def _machine(report: Report) -> Iterator[tuple[str, str]]:
    yield from report.machine.items()
    yield "prometheus", report.prometheus
    yield from ((f"rules, `sha256sum deploy/prometheus/{name}`", digest) for name, digest in report.rules.items())
    busiest = max(row.others.high for row in report.rows)
    quiet = "nothing else to speak of" if busiest < OTHERS_SHARE * report.cores else "**the machine was not quiet**"
    yield "other work while measuring turns per second", f"{quiet}: at most {busiest:.2f} cores"


def _scene(report: Report) -> Iterator[str]:
    story, plan, answers = report.story, report.plan, report.answers
    waiting, oldest = (max(report.seen.lines[name].values, default=0.0) for name in ("waiting", "oldest"))
    yield (
        f"{plan.rush_per_s:g} questions per second, Poisson, begin at {story.rush - story.began:.0f} s. One brain "
        f"({SLOTS} slots) answered {story.served_by_one_per_s:.1f} per second of the "
        f"{story.came_meanwhile_per_s:.1f} that came."
    )
    if story.fired:
        yield (
            f"`{ALERT}` fired {story.fired - story.rush:.0f} s into the rush. `make scale N={plan.brains_then}` took "
            f"{story.got_brains - story.asked_for_brains:.1f} s. At the worst {waiting:.0f} conversations waited, the "
            f"oldest for {oldest:.1f} s."
        )
    if story.cleared:
        yield (
            f"With {plan.brains_then} brains {story.served_by_all_per_s:.1f} answers per second were given until the "
            f"alert cleared, {story.cleared - story.got_brains:.0f} s after they were there, with the rush going on."
        )
    yield (
        f"In the whole run {answers.asked} questions were asked and {answers.answered} answered, {answers.streamed} of "
        f"them read as they were written; {answers.repeated} were sent again, over another connection. Lost "
        f"{answers.lost}, answered twice {answers.doubled}, in other words than the log has {answers.different}, by an "
        f"error {answers.troubled}, never asked for {answers.strange}."
    )


def _row(row: Row) -> Sequence[str]:
    return (
        f"{row.brains}",
        f"{row.per_s.median:.1f}",
        range_text(row.per_s, 1),
        f"{row.times:.2f}",
        f"{row.model_per_s:.1f}",
        f"{row.busy.median:.2f}",
        range_text(row.busy),
        spread_text(row.others),
        row.bound.value,
    )


def _where(report: Report) -> str:
    """What keeps the most brains from answering more, in words."""
    last, cores = report.rows[-1], report.cores
    share = last.per_s.median / last.model_per_s
    says = {
        Bound.MODEL: "every slot waits for the model, the machine has time left: more brains would answer more",
        Bound.MACHINE: "all cores are busy: here it stops scaling, more brains need more cores",
        Bound.OTHERS: "all cores are busy, but not with this alone: on a quiet machine more is answered",
        Bound.BOTH: "the model's time and the cores are used up together: more brains need more cores",
        Bound.NEITHER: "neither is used up by the limits below; what is missing is waiting in between",
    }[last.bound]
    return (
        f"*Model allows*: {SLOTS} slots per brain by the model's time for an answer, {report.plan.first_token_s:g} s "
        f"to the first token and {report.plan.tokens_per_s:g} tokens per second. With {last.brains} brains "
        f"{share * 100:.0f} % of that is reached at {last.busy.median:.2f} of {cores} cores: {says}. The bound is the "
        f"model from {MODEL_SHARE * 100:.0f} % of what it allows, the machine from {MACHINE_SHARE * 100:.0f} % of its "
        "cores."
    )


def _cores(row: Row) -> Sequence[str]:
    return (f"{row.brains} brains", *(f"{value:.2f}" for value in row.cores.values()))
