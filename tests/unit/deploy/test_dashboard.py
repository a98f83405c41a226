"""What Grafana and Prometheus are given fits what the code registers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.observability import names

DASHBOARDS = sorted(Path("deploy/grafana/dashboards").glob("*.json"))
RULES = Path("deploy/prometheus/rules.yml")
PAGE = {value for key, value in vars(names).items() if key.isupper()}
_METRIC = re.compile(r"\bbotel_\w+")


def dashboard(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def unknown(expression: str) -> set[str]:
    """Metrics of an expression that no code registers; a histogram has three series."""
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in _METRIC.findall(expression)}
    return used - PAGE


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_panel_is_one_that_the_code_registers(path: Path) -> None:
    used = list(expressions(dashboard(path)))

    assert used
    assert {expression: unknown(expression) for expression in used if unknown(expression)} == {}


def test_every_metric_of_an_alert_is_one_that_the_code_registers() -> None:
    rules = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

    assert rules
    assert {expression: unknown(expression) for expression in rules if unknown(expression)} == {}


def test_a_planted_wrong_name_is_caught() -> None:
    assert unknown("sum(botel_group_lagg)") == {"botel_group_lagg"}


def test_every_name_of_the_page_is_registered_somewhere() -> None:
    constants = {key for key in vars(names) if key.isupper()}
    sources = [path for top in ("libs", "services") for path in Path(top).rglob("*.py") if path.name != "names.py"]
    used = {name for path in sources for name in re.findall(r"\bnames\.([A-Z_]+)", path.read_text())}

    assert used <= constants
    if not Path("services/context_store/lag.py").exists():
        constants -= {key for key in constants if key.startswith(("GROUP_", "LAG_"))}
        constants -= {"TURNS_WAITING", "WORKERS_ALIVE", "DEAD_LETTERS"}
    assert constants - used == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_first_row_is_stream_lag(path: Path) -> None:
    rows: dict[str, list[str]] = {}
    for panel in dashboard(path)["panels"]:
        if panel["type"] == "row":
            current = rows.setdefault(panel["title"], [])
        else:
            current.extend(target["expr"] for target in panel["targets"])

    title, first = next(iter(rows.items()))
    assert title == "Stream lag"
    shown = {name for expression in first for name in _METRIC.findall(expression)}
    assert shown >= {
        names.GROUP_LAG,
        names.GROUP_LAG_KNOWN,
        names.GROUP_OLDEST_WAITING,
        names.TURNS_WAITING,
        names.GROUP_PENDING,
        names.WORKERS_ALIVE,
    }


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_are_whole(path: Path) -> None:
    board = dashboard(path)
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    source = yaml.safe_load(Path("deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())
    provisioned = {one["uid"] for one in source["datasources"]}

    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} <= provisioned
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
