"""Two pictures for docs/scaling.md: the scene over time, and turns per second by brains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.scale.plan import ALERT
from benchmarks.scale.report import Report
from benchmarks.scale.scene import Story
from deploy.observe.style import AMBER, BLUE, GREEN, GREY, INK, PAPER, PURPLE, RED, SERIES, styled

LIMIT_S = 3.0
"""The alert's, in deploy/prometheus/rules.yml."""
DPI = 150
_CLEAR = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
_OFFSET: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}


def draw_scene(report: Report, path: Path) -> None:
    """The alert, rates, waiting, age and brains, one below the other; the alert's spans through all of them."""
    with styled():
        figure = Figure(figsize=(10, 9.4), layout="constrained")
        track, rates, waiting, oldest, brains = figure.subplots(5, 1, sharex=True, height_ratios=(0.28, 1.2, 1, 1, 0.6))
        _track(track, report)
        _rates(rates, report)
        _line(waiting, report, "waiting", PURPLE, "conversations\nwaiting (lag)")
        _line(oldest, report, "oldest", BLUE, "oldest waiting\nage (s)")
        oldest.axhline(LIMIT_S, color=RED, linestyle="--", linewidth=1)
        near = (4, 4)
        oldest.annotate(
            f"the alert: over {LIMIT_S:g} s for 15 s", (0, LIMIT_S), near, **_OFFSET, color=RED, bbox=_CLEAR
        )
        _brains(brains, report)
        for axes in (rates, waiting, oldest, brains):
            _alert(axes, report, 0.14)
            _marks(axes, report.story)
        brains.set_xlim(0, report.story.ended - report.story.began)
        brains.set_xlabel("seconds since the scene began")
        figure.suptitle("A rush that one brain cannot hold: lag, alert, more brains, calm")
        figure.savefig(path, dpi=DPI)


def draw_throughput(report: Report, path: Path) -> None:
    """Every measurement as a point, medians joined, beside what the model allows and how busy the machine was."""
    with styled():
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        rate, busy = figure.subplots(1, 2, width_ratios=(1.3, 1))
        brains = [row.brains for row in report.rows]
        rate.plot(brains, [row.model_per_s for row in report.rows], "--", color=GREY, label="what the model allows")
        rate.plot(brains, [row.per_s.median for row in report.rows], "o-", color=GREEN, label="measured, median")
        points = [(phase.brains, phase.per_s) for phase in report.phases]
        rate.scatter(*zip(*points, strict=True), s=18, color=INK, zorder=3, label="each measurement")
        rate.set(xlabel="brains", ylabel="turns per second", xticks=brains, title="Turns per second, every slot taken")
        rate.set_ylim(bottom=0)
        rate.legend(loc="upper left")
        _stack(busy, report)
        figure.savefig(path, dpi=DPI)


def _rates(axes: Axes, report: Report) -> None:
    for points, colour, label in ((report.arrivals, AMBER, "asked"), (report.served, GREEN, "answered")):
        axes.plot(*zip(*points, strict=True), color=colour, label=label)
    axes.set_ylabel("turns per second")
    axes.set_ylim(0, 1.25 * max(rate for _, rate in (*report.arrivals, *report.served)))
    axes.legend(loc="upper left", ncols=2)


def _line(axes: Axes, report: Report, name: str, colour: str, label: str) -> None:
    line = report.seen.lines[name]
    axes.plot(line.times, line.values, color=colour)
    axes.fill_between(line.times, line.values, color=colour, alpha=0.12, linewidth=0)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _brains(axes: Axes, report: Report) -> None:
    line = report.seen.lines["brains"]
    axes.step(line.times, line.values, where="post", color=INK)
    axes.set_ylabel("brains\nalive")
    axes.set_ylim(0, max([*line.values, 1]) + 1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))


def _track(axes: Axes, report: Report) -> None:
    """Above the others: when the alert was pending and firing, and what was done."""
    axes.set(ylim=(0, 1), yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_ylabel(ALERT, rotation=0, ha="right", va="center")
    _alert(axes, report, 0.5)
    named = [
        (spans[0], name) for spans, name in ((report.seen.pending, "pending"), (report.seen.firing, "firing")) if spans
    ]
    for (first, last), name in named:
        axes.text((first + last) / 2, 0.5, name, ha="center", va="center", weight="bold")
    story = report.story
    for at, name in ((story.rush, "rush begins"), (story.got_brains, f"{report.plan.brains_then} brains are there")):
        if at:
            axes.annotate(name, (at - story.began, 1), (0, 3), **_OFFSET, ha="center", va="bottom", color=GREY)


def _alert(axes: Axes, report: Report, alpha: float) -> None:
    for spans, colour in ((report.seen.pending, AMBER), (report.seen.firing, RED)):
        for first, last in spans:
            axes.axvspan(first, last, color=colour, alpha=alpha, linewidth=0)


def _marks(axes: Axes, story: Story) -> None:
    for at in (story.rush, story.got_brains):
        if at:
            axes.axvline(at - story.began, color=GREY, linewidth=1, linestyle=":")


def _stack(axes: Axes, report: Report) -> None:
    """Cores by who used them."""
    places = range(len(report.rows))
    names = sorted(report.rows[0].cores, key=lambda name: -report.rows[-1].cores[name])
    kept = [name for name in names if report.rows[-1].cores[name] >= 0.02 * report.cores]
    below = [0.0] * len(report.rows)
    others = [row.others.median for row in report.rows]
    layers = [(name, [row.cores[name] for row in report.rows]) for name in kept] + [("other work", others)]
    colours = [*SERIES[: len(kept)], "#c3c8d2"]
    for (name, values), colour in zip(layers, colours, strict=True):
        axes.bar(places, values, bottom=below, width=0.6, color=colour, alpha=0.85, label=name.replace("_", " "))
        below = [low + value for low, value in zip(below, values, strict=True)]
    axes.axhline(report.cores, color=RED, linestyle="--", linewidth=1)
    axes.annotate("all cores", (0, report.cores), (-12, 3), textcoords="offset points", color=RED)
    axes.set(xticks=list(places), xlabel="brains", ylabel="cores busy", title="Who uses the machine")
    axes.set_xticklabels([f"{row.brains}" for row in report.rows])
    axes.set_ylim(0, report.cores * 1.12)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
