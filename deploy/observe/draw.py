"""Draws a captured dashboard: the panels where Grafana has them, with their titles, units and legends.

This is our own drawing of Prometheus's answers to the panels' queries. It is not Grafana's, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from deploy.observe.capture import Answered, Capture, Curve
from deploy.observe.legend import Legend
from deploy.observe.panels import ROW, TIMESERIES, Panel, Step
from deploy.observe.sheet import Sheet
from deploy.observe.style import AMBER, BLUE, GREEN, GREY, INK, RED, SERIES, colours_of, styled
from deploy.observe.units import written

COLUMNS, COLUMN_IN, UNIT_IN = 24, 0.64, 0.3
"""The grid's columns; inches of a column's width, and of a grid unit's height."""
HEAD_IN, GAP_IN, DPI = 0.75, 0.06, 100
_COLOURS = {"green": GREEN, "orange": AMBER, "yellow": AMBER, "red": RED, "blue": BLUE, "text": INK}
NOTE = "drawn from Prometheus by our own script with the dashboard's queries, units and layout; not Grafana's rendering"


def draw(found: Capture, path: Path, *, about: str, units: int = 0) -> None:
    """Write the picture. `about`: what was going on, for the line below the title. `units`: of the grid's height that
    are drawn, from the top; 0: all of it."""
    panels = [one for one in found.panels if one.panel.h and not (units and one.panel.y >= units)]
    height = max(one.panel.y + one.panel.h for one in panels)
    with styled(**{"font.size": 9}):
        sheet = Sheet(COLUMNS * COLUMN_IN, HEAD_IN + height * UNIT_IN)
        sheet.text(0.12, 0.12, found.title, fontsize=16, weight="bold")
        sheet.text(0.12, 0.45, f"{about} — {NOTE}", fontsize=9, color=GREY)
        for one in panels:
            _panel(sheet, one, found.seconds)
        sheet.figure.savefig(path, dpi=DPI)


def _panel(sheet: Sheet, one: Answered, seconds: float) -> None:
    panel = one.panel
    x, y = panel.x * COLUMN_IN + GAP_IN, HEAD_IN + panel.y * UNIT_IN + GAP_IN
    w, h = panel.w * COLUMN_IN - 2 * GAP_IN, panel.h * UNIT_IN - 2 * GAP_IN
    if panel.kind == ROW:
        return sheet.text(x + 0.06, y + 0.06, panel.title, fontsize=11, weight="bold")
    sheet.card(x, y, w, h)
    sheet.text(x + 0.12, y + 0.09, panel.title, fontsize=9.5, weight="bold")
    curves = [curve for curve in one.curves if curve.values]
    if not curves:
        sheet.text(x + w / 2, y + h / 2, "nothing of this happened", ha="center", color=GREY)
    elif panel.kind == TIMESERIES:
        _lines(sheet, panel, curves, (x, y, w, h), seconds)
    else:
        _numbers(sheet, panel, curves, (x, y, w, h), seconds)
    return None


def _lines(
    sheet: Sheet, panel: Panel, curves: Sequence[Curve], place: tuple[float, float, float, float], seconds: float
) -> None:
    x, y, w, h = place
    legend = Legend([curve.legend for curve in curves], w - 0.24)
    axes = sheet.axes(x + 0.72, y + 0.42, w - 0.9, h - 0.42 - 0.34 - legend.height)
    below: list[float] = []
    for number, (curve, colour) in enumerate(zip(curves, colours_of([one.legend for one in curves]), strict=True)):
        dashes = "-" if number < len(SERIES) else "--"
        if panel.stacked and len(curve.values) == len(curves[0].values):
            top = [low + value for low, value in zip(below or [0.0] * len(curve.values), curve.values, strict=True)]
            axes.fill_between(curve.times, below or 0.0, top, color=colour, alpha=0.35, linewidth=0)
            axes.plot(curve.times, top, color=colour, linewidth=1)
            below = top
        else:
            axes.plot(curve.times, curve.values, dashes, color=colour, linewidth=1.3)
            if len(curve.values) == 1:
                axes.plot(curve.times, curve.values, "o", color=colour, markersize=3)
    _scales(axes, panel, curves, seconds)
    legend.draw(sheet, x + 0.12, y + h - legend.height - 0.04)


def _scales(axes: Axes, panel: Panel, curves: Sequence[Curve], seconds: float) -> None:
    values = [value for curve in curves for value in curve.values]
    axes.set_xlim(0, seconds)
    if panel.least is not None or min(values) >= 0:
        axes.set_ylim(bottom=panel.least or 0)
    if panel.most is not None:
        axes.set_ylim(top=panel.most)
    elif max(values) <= 0:
        axes.set_ylim(top=1)
    _ticks(axes, panel.unit, max(values))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(float(f"{value:.6g}"), panel.unit)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 3, 6], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{int(at) // 60}:{int(at) % 60:02d}"))
    axes.tick_params(length=0, labelsize=8)
    axes.tick_params(axis="x", pad=7)


def _ticks(axes: Axes, unit: str, most: float) -> None:
    """Round values of what is written: of gibibytes where those are written."""
    if unit == "bool_yes_no":
        axes.set_ylim(-0.05, 1.1)
        axes.set_yticks([0, 1])
    elif unit == "bytes" and most >= 1:
        size = 1024.0 ** int(math.log(most, 1024))
        axes.set_yticks([tick * size for tick in MaxNLocator(nbins=4).tick_values(0, axes.get_ylim()[1] / size)][:-1])
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=unit in ("short", "none") and most >= 2))


def _numbers(
    sheet: Sheet, panel: Panel, curves: Sequence[Curve], place: tuple[float, float, float, float], seconds: float
) -> None:
    """The last value of each series, large, over its course."""
    x, y, w, h = place
    shown = curves[:4]
    each = w / len(shown)
    for number, curve in enumerate(shown):
        left, last = x + number * each, curve.values[-1]
        colour = colour_of(panel.steps, last)
        spark = sheet.axes(left + 0.02, y + h * 0.68, each - 0.04, h * 0.3)
        spark.axis("off")
        course = colour if panel.steps else BLUE
        spark.plot(curve.times, curve.values, color=course, linewidth=1)
        spark.fill_between(curve.times, curve.values, color=course, alpha=0.15, linewidth=0)
        spark.set(xlim=(0, seconds), ylim=(min(0.0, *curve.values), max(*curve.values, 1e-9) * 1.05))
        text = written(last, panel.unit, panel.decimals)
        size = min(24.0, h * 18, each * 72 / (0.64 * len(text)))
        middle = left + each / 2
        if len(shown) == 1:
            sheet.text(middle, y + 0.34, text, fontsize=size, weight="bold", color=colour, ha="center")
        else:
            sheet.text(middle, y + 0.3, curve.legend, fontsize=8, color=GREY, ha="center")
            sheet.text(middle, y + 0.43, text, fontsize=size * 0.8, weight="bold", color=colour, ha="center")


def colour_of(steps: Sequence[Step], value: float) -> str:
    """That of the last step that the value has reached."""
    reached = [step.colour for step in steps if step.value is None or value >= step.value]
    return _COLOURS.get(reached[-1].removeprefix("dark-").removeprefix("semi-dark-"), INK) if reached else INK
