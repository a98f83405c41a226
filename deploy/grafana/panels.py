"""What a dashboard consists of, in our own words, and how that becomes Grafana's JSON (grafana-foundation-sdk)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef, LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.text import TextMode

from deploy.grafana.runbooks import Links

SOURCE = "prometheus"
"""The uid in provisioning/datasources."""
COLUMNS = 24
_HEIGHT = {"stat": 4, "timeseries": 8}
_DATASOURCE = DataSourceRef(type_val="prometheus", uid=SOURCE)


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str = ""
    """Labels in double braces; '': the panel's title."""


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    """Grafana's id of a unit."""
    description: str
    runbook: str
    """`page#heading` of docs/runbooks."""
    queries: Sequence[Query]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 12


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """A choice among the values of a label; all at first."""

    name: str
    label: str
    metric: str
    """Any series that bears the label of the variable's name."""


@dataclass(frozen=True)
class Board:
    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()


def board_json(board: Board, links: Links) -> str:
    """The file that Grafana is given: panels row by row from the left, ids in order."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["botel"])
        .readonly()
        .refresh("5s")
        .time("now-15m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )
    for variable in board.variables:
        built = built.with_variable(_variable(variable))
    ids, top = itertools.count(1), 0
    for row in board.rows:
        built = built.with_row(dashboard.Row(row.title).id(next(ids)).grid_pos(GridPos(h=1, w=COLUMNS, x=0, y=top)))
        top += 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            height = _HEIGHT[panel.kind]
            place = GridPos(h=height, w=panel.width, x=left, y=top)
            built = built.with_panel(_panel(panel, links).id(next(ids)).grid_pos(place))
            left, tallest = left + panel.width, max(tallest, height)
        top += tallest
    return _encoded(built)


def page_json(uid: str, title: str, markdown: str) -> str:
    """A dashboard that shows a page of text."""
    place = GridPos(h=30, w=COLUMNS, x=0, y=0)
    page = text.Panel().id(1).grid_pos(place).mode(TextMode.MARKDOWN).content(markdown).transparent(True)
    return _encoded(dashboard.Dashboard(title).uid(uid).tags(["botel", "runbook"]).readonly().with_panel(page))


def _encoded(built: dashboard.Dashboard) -> str:
    return JSONEncoder(sort_keys=True, indent=1).encode(built.build()) + "\n"


def _panel(panel: Panel, links: Links) -> timeseries.Panel | stat.Panel:
    drawn = _line() if panel.kind == "timeseries" else _number()
    drawn = drawn.title(panel.title).unit(panel.unit).description(panel.description).datasource(_DATASOURCE)
    drawn = drawn.links([dashboard.DashboardLink("Runbook").url(links.to(panel.runbook)).target_blank(True)])
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        target = prometheus.Dataquery().ref_id(letter).datasource(_DATASOURCE).expr(query.expr).range()
        drawn = drawn.with_target(target.legend_format(query.legend or panel.title))
    return drawn


def _line() -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return timeseries.Panel().legend(legend.show_legend(True)).tooltip(tooltip).fill_opacity(10).min(0)


def _number() -> stat.Panel:
    return stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def _variable(variable: Variable) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(_DATASOURCE)
        .query(f"label_values({variable.metric}, {variable.name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )
