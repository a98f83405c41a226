"""Reads the dashboards that Grafana is given: panels with their queries, as far as they are drawn here. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

DASHBOARDS = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"
STAT, TIMESERIES, ROW = "stat", "timeseries", "row"
DRAWN = (STAT, "gauge", "bargauge", TIMESERIES, ROW)
_LABEL = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_RATE_SCRAPES = 4
"""Grafana's $__rate_interval: so many scrapes at least."""


class CannotDraw(ValueError):
    """A kind of panel that is not known here."""


class Query(msgspec.Struct, frozen=True):
    expression: str
    legend: str


class Step(msgspec.Struct, frozen=True):
    """From this value on, this colour."""

    value: float | None
    """None: whatever is below the others."""
    colour: str


class Panel(msgspec.Struct, frozen=True):
    """Grid units: 24 to the width, 30 pixels high in Grafana."""

    title: str
    kind: str
    x: int
    y: int
    w: int
    h: int
    unit: str = ""
    decimals: int | None = None
    queries: tuple[Query, ...] = ()
    steps: tuple[Step, ...] = ()
    stacked: bool = False
    least: float | None = None
    most: float | None = None


class Dashboard(msgspec.Struct, frozen=True):
    title: str
    panels: tuple[Panel, ...]
    variables: Mapping[str, str]
    """Its own, each standing for all of its values."""


def dashboard_files() -> list[Path]:
    return sorted(DASHBOARDS.glob("*.json"))


def read_dashboard(path: Path) -> Dashboard:
    """`CannotDraw` when it has a panel of a kind that is not known here."""
    board = json.loads(path.read_text())
    return Dashboard(board["title"], tuple(_panels(board["panels"])), _variables(board))


def filled(expression: str, *, scrape_s: float, range_s: float, variables: Mapping[str, str]) -> str:
    """The expression with Grafana's variables filled in; a dashboard's own stand for everything."""
    values = {
        "__rate_interval": f"{round(scrape_s * _RATE_SCRAPES)}s",
        "__interval": f"{max(1, round(scrape_s))}s",
        "__range": f"{round(range_s)}s",
        **variables,
    }
    for name in sorted(values, key=len, reverse=True):
        expression = re.sub(rf"\$(?:{name}\b|\{{{name}(?::\w+)?\}})", values[name].replace("\\", "\\\\"), expression)
    return expression


def legend_of(legend: str, labels: Mapping[str, str]) -> str:
    """`{{label}}` filled in; '' is what Prometheus calls the series."""
    if not legend or legend == "__auto":
        return ", ".join(f"{name} {value}" for name, value in labels.items() if name != "__name__") or "value"
    return " ".join(_LABEL.sub(lambda match: labels.get(match[1], ""), legend).split())


def _variables(board: Mapping[str, Any]) -> dict[str, str]:
    listed = board.get("templating", {}).get("list", [])
    return {one["name"]: one.get("allValue") or ".*" for one in listed if one.get("type") != "datasource"}


def _panels(panels: list[dict[str, Any]]) -> Iterator[Panel]:
    for panel in panels:
        if panel["type"] not in DRAWN:
            raise CannotDraw(f"{panel.get('title')}: a {panel['type']}")
        yield _panel(panel)
        yield from _panels(panel.get("panels", []))


def _panel(panel: dict[str, Any]) -> Panel:
    place, defaults = panel["gridPos"], panel.get("fieldConfig", {}).get("defaults", {})
    custom = defaults.get("custom", {})
    return Panel(
        title=panel["title"],
        kind=panel["type"],
        **{side: int(place.get(side) or 0) for side in "xywh"},
        unit=defaults.get("unit", ""),
        decimals=defaults.get("decimals"),
        queries=tuple(Query(one["expr"], one.get("legendFormat", "")) for one in panel.get("targets", [])),
        steps=tuple(_steps(defaults.get("thresholds", {}).get("steps", []))),
        stacked=custom.get("stacking", {}).get("mode") in ("normal", "percent"),
        least=defaults.get("min"),
        most=defaults.get("max"),
    )


def _steps(steps: list[dict[str, Any]]) -> Iterator[Step]:
    return (Step(one["value"], one["color"]) for one in steps)
