"""Asks a Prometheus every query of a dashboard over a stretch of time, and keeps the answers to draw from."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from deploy.observe.client import PrometheusClient
from deploy.observe.panels import ROW, Dashboard, Panel, filled, legend_of

SCRAPE_S = 5.0
"""As shipped: what `$__rate_interval` is made from."""
POINTS = 300


class Curve(msgspec.Struct, frozen=True):
    """One series. Times are seconds since the beginning; where there is no value there is no time."""

    legend: str
    times: list[float]
    values: list[float]


class Answered(msgspec.Struct, frozen=True):
    panel: Panel
    curves: list[Curve]


class Capture(msgspec.Struct, frozen=True):
    title: str
    seconds: float
    began: float
    """Since the epoch."""
    panels: list[Answered]


async def capture(
    prometheus: PrometheusClient, board: Dashboard, start: float, end: float, *, scrape_s: float = SCRAPE_S
) -> Capture:
    """Every panel of the dashboard from `start` to `end`, in seconds since the epoch."""
    step_s = max(1.0, math.ceil((end - start) / POINTS))

    async def answered(panel: Panel) -> Answered:
        curves: list[Curve] = []
        for query in panel.queries:
            asked = filled(query.expression, scrape_s=scrape_s, range_s=end - start, variables=board.variables)
            for series in await prometheus.range(asked, start, end, step_s):
                known = [(at - start, value) for at, value in zip(series.times, series.values, strict=True)]
                kept = [(at, value) for at, value in known if math.isfinite(value)]
                name = legend_of(query.legend, series.labels)
                curves.append(Curve(name, [at for at, _ in kept], [value for _, value in kept]))
        return Answered(panel, curves)

    panels = [Answered(panel, []) if panel.kind == ROW else await answered(panel) for panel in board.panels]
    return Capture(board.title, end - start, start, panels)


def write_capture(found: Capture, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(found))


def read_capture(path: Path) -> Capture:
    return msgspec.json.decode(path.read_bytes(), type=Capture)


def without_data(found: Capture) -> list[str]:
    """Titles of the panels that have nothing to draw."""
    return [one.panel.title for one in found.panels if one.panel.kind != ROW and not any(c.values for c in one.curves)]
