"""Dashboards are read as Grafana reads them, as far as they are drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.observe.draw import colour_of
from deploy.observe.legend import MOST_LINES, Legend, width_of
from deploy.observe.panels import CannotDraw, Step, dashboard_files, filled, legend_of, read_dashboard
from deploy.observe.style import GREEN, INK, RED, SERIES, colours_of
from deploy.observe.units import written


def board(tmp_path: Path, *panels: dict[str, Any], **more: Any) -> Path:
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"title": "Board", "panels": panels, **more}))
    return path


PANEL: dict[str, Any] = {
    "type": "timeseries",
    "title": "Lag",
    "gridPos": {"x": 0, "y": 1, "w": 12, "h": 8},
    "fieldConfig": {"defaults": {"unit": "s", "custom": {"stacking": {"mode": "normal"}}}},
    "targets": [{"expr": 'rate(a{p=~"$property"}[$__rate_interval])', "legendFormat": "{{group}}"}],
}


@pytest.mark.parametrize("path", dashboard_files(), ids=lambda path: path.stem)
def test_every_dashboard_of_ours_can_be_drawn(path: Path) -> None:
    found = read_dashboard(path)

    queries = [query for panel in found.panels for query in panel.queries]
    assert queries
    assert all(panel.queries for panel in found.panels if panel.kind != "row")
    for query in queries:
        asked = filled(query.expression, scrape_s=5, range_s=60, variables=found.variables)
        assert "$" not in asked


@pytest.mark.parametrize("path", dashboard_files(), ids=lambda path: path.stem)
def test_every_unit_of_ours_is_written_as_one(path: Path) -> None:
    for panel in read_dashboard(path).panels:
        if panel.unit not in ("", "short", "none"):
            assert written(0.0, panel.unit) != f"0 {panel.unit}" or panel.unit == "s", panel.unit


def test_a_panel_has_its_place_unit_queries_and_stacking(tmp_path: Path) -> None:
    [panel] = read_dashboard(board(tmp_path, PANEL)).panels

    assert (panel.x, panel.y, panel.w, panel.h) == (0, 1, 12, 8)
    assert (panel.unit, panel.stacked, panel.queries[0].legend) == ("s", True, "{{group}}")


def test_panels_inside_a_row_are_panels(tmp_path: Path) -> None:
    row = {"type": "row", "title": "Row", "gridPos": {"y": 0, "w": 24, "h": 1}, "panels": [PANEL]}

    assert [panel.title for panel in read_dashboard(board(tmp_path, row)).panels] == ["Row", "Lag"]


def test_a_kind_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotDraw, match="Lag: a piechart"):
        read_dashboard(board(tmp_path, {**PANEL, "type": "piechart"}))


def test_variables_stand_for_everything(tmp_path: Path) -> None:
    listed = [{"name": "property", "type": "query"}, {"name": "ds", "type": "datasource"}]
    found = read_dashboard(board(tmp_path, PANEL, templating={"list": listed}))

    assert found.variables == {"property": ".*"}
    asked = filled(PANEL["targets"][0]["expr"], scrape_s=5, range_s=60, variables=found.variables)
    assert asked == 'rate(a{p=~".*"}[20s])'


def test_grafanas_own_variables_are_filled_in_by_their_whole_names() -> None:
    expression = "a[$__range] b[${__rate_interval}] c[$__interval] d{x=~'${property:regex}'}"

    asked = filled(expression, scrape_s=1, range_s=90, variables={"property": ".*"})

    assert asked == "a[90s] b[4s] c[1s] d{x=~'.*'}"


@pytest.mark.parametrize(
    ("legend", "labels", "text"),
    [
        ("{{group}} waiting", {"group": "brain"}, "brain waiting"),
        ("{{ job }} {{route}}", {"job": "text_gateway"}, "text_gateway"),
        ("", {"__name__": "up", "job": "brain"}, "job brain"),
        ("__auto", {}, "value"),
    ],
)
def test_legends(legend: str, labels: dict[str, str], text: str) -> None:
    assert legend_of(legend, labels) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.0034, "s", "3.4 ms"),
        (0.9999, "s", "1 s"),
        (75, "s", "1.25 min"),
        (250, "ms", "250 ms"),
        (12.345, "reqps", "12.3 req/s"),
        (0.256, "percentunit", "25.6%"),
        (3 * 2**20, "bytes", "3 MiB"),
        (12_345, "short", "12.3 K"),
        (0.00012, "currencyUSD", "$0"),
        (1, "bool_yes_no", "yes"),
        (4, "suffix: per hour", "4 per hour"),
        (4, "furlongs", "4 furlongs"),
    ],
)
def test_units(value: float, unit: str, text: str) -> None:
    assert written(value, unit) == text


def test_decimals_are_those_of_the_panel() -> None:
    assert written(1.23456, "s", 3) == "1.235 s"


def test_a_number_has_the_colour_of_the_step_that_it_has_reached() -> None:
    steps = [Step(None, "green"), Step(3, "dark-red")]

    assert [colour_of(steps, value) for value in (0, 2.9, 3, 99)] == [GREEN, GREEN, RED, RED]
    assert colour_of([], 1) == INK


def test_names_stand_side_by_side_and_never_on_each_other() -> None:
    legend = Legend([f"a name of some length {number}" for number in range(12)], width=4.0)

    assert legend.places[-1].name.startswith("+ ")
    assert max(place.line for place in legend.places) == MOST_LINES - 1
    for one, next_one in zip(legend.places, legend.places[1:], strict=False):
        if one.line == next_one.line:
            assert one.x + width_of(one.name) < next_one.x
    assert sum(place.number >= 0 for place in legend.places) + int(legend.places[-1].name.split()[1]) == 12


def test_few_names_are_all_told() -> None:
    assert [place.name for place in Legend(["p50", "p95"], width=3.0).places] == ["p50", "p95"]


def test_good_is_green_and_bad_is_red_wherever_it_stands() -> None:
    assert colours_of(["cancelled", "dead", "voice finished"])[1:] == [RED, GREEN]
    assert colours_of(["dead", "failed"])[0] == RED
    assert len(set(colours_of(["dead", "failed", "expired", "cancelled"]))) == 4
    found = colours_of(["brain", "finished", "context-store"])
    assert found[1] == GREEN
    assert len(set(found)) == 3


def test_there_are_colours_for_any_number_of_lines() -> None:
    assert len(colours_of([f"line {number}" for number in range(3 * len(SERIES))])) == 3 * len(SERIES)
