"""Dashboards are whole, are what the code writes, and ask for nothing that no code registers."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.__main__ import BOARDS as WRITTEN
from deploy.grafana.__main__ import FOLDER, drift, files, write
from deploy.grafana.panels import SOURCE
from deploy.grafana.runbooks import Links, headings, inside_grafana, pages, uid
from libs.observability import names
from tests.unit.deploy.dashboards import BOARDS, PAGE, Shown, metrics_of, panels, queries, unknown

QUERIES = list(queries())
EVERY = [(name, panel) for name, board in BOARDS.items() for panel in panels(board)]
PANELS = pytest.mark.parametrize(("board", "panel"), EVERY, ids=[f"{name} | {panel['title']}" for name, panel in EVERY])


def test_the_two_dashboards_are_there() -> None:
    assert {board["title"] for board in BOARDS.values()} == {"Bus and brains", "Voice experience"}
    assert {board.uid for board in WRITTEN} == set(BOARDS)


def test_the_files_are_what_the_code_writes() -> None:
    assert drift(FOLDER, files(Links())) == []


def test_a_change_a_loss_and_a_leftover_are_seen(tmp_path: Path) -> None:
    wanted = files(Links())
    write(tmp_path, wanted)
    assert drift(tmp_path, wanted) == []

    (tmp_path / "botel-bus.json").write_text("{}")
    (tmp_path / "botel-voice.json").unlink()
    (tmp_path / "runbooks" / "old.json").write_text("{}")

    assert drift(tmp_path, wanted) == [
        "runbooks/old.json: nothing makes it",
        "botel-bus.json: differs",
        "botel-voice.json: is not there",
    ]
    write(tmp_path, wanted)
    assert drift(tmp_path, wanted) == []


def test_uids_are_one_each_and_fit_into_an_address() -> None:
    uids = [board["uid"] for board in BOARDS.values()] + [uid(page) for page in pages()]

    assert [one for one, times in Counter(uids).items() if times > 1] == []
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", one) for one in uids)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_ids_are_one_each_and_nothing_overlaps(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    places = Counter(
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )

    assert len(ids) == len(set(ids))
    assert max(places.values()) == 1
    assert max(x for x, _ in places) < 24


@PANELS
def test_a_panel_says_what_it_shows_in_which_unit(board: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 5
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@PANELS
def test_a_panel_asks_the_datasource_that_is_provisioned(board: str, panel: dict[str, Any]) -> None:
    source = yaml.safe_load(Path("deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())
    asked = {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])}
    references = [target["refId"] for target in panel["targets"]]

    assert asked == {one["uid"] for one in source["datasources"]} == {SOURCE}
    assert len(references) == len(set(references))


@PANELS
def test_a_panel_links_to_a_section_that_is_there(board: str, panel: dict[str, Any]) -> None:
    ((title, url),) = [(link["title"], link["url"]) for link in panel["links"]]
    page, _, heading = url.removeprefix("/d/runbook-").partition("#")

    assert title == "Runbook"
    assert url.startswith("/d/runbook-")
    assert heading in headings(pages()[page])
    assert f"runbooks/{page}.json" in {str(path) for path in files(Links())}


@pytest.mark.parametrize("shown", QUERIES, ids=str)
def test_every_metric_of_a_panel_is_one_that_the_code_registers(shown: Shown) -> None:
    assert metrics_of(shown.expression)
    assert unknown(shown.expression) == set()


@pytest.mark.parametrize("shown", QUERIES, ids=str)
def test_no_query_makes_up_for_what_is_missing(shown: Shown) -> None:
    """A zero that stands for nothing hides that a metric has gone."""
    assert "absent(" not in shown.expression
    assert not re.search(r"\bor\b", shown.expression)
    assert "$__rate_interval" in shown.expression or "rate(" not in shown.expression


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(botel_group_lagg)", {"botel_group_lagg"}),
        ('sum by (outcome) (rate(botel_turnz_total{property=~"$property"}[5m])) / sum(up)', {"botel_turnz_total"}),
        ("histogram_quantile(0.5, sum by (le) (rate(nobody_bucket[5m])))", {"nobody"}),
        ("cpu_seconds == 0", {"cpu_seconds"}),
    ],
)
def test_a_planted_wrong_name_is_caught(expression: str, found: set[str]) -> None:
    assert unknown(expression) == found


def test_every_name_of_the_page_is_registered_somewhere() -> None:
    constants = {key for key in vars(names) if key.isupper()}
    sources = [path for top in ("libs", "services") for path in Path(top).rglob("*.py") if path.name != "names.py"]
    used = {name for path in sources for name in re.findall(r"\bnames\.([A-Z_]+)", path.read_text())}

    assert used == constants


def test_stream_lag_comes_first() -> None:
    board = BOARDS["botel-bus"]
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    second = next(panel["id"] for panel in board["panels"] if panel["title"] == rows[1])
    asked = [one["expr"] for panel in panels(board) if panel["id"] < second for one in panel["targets"]]
    first = {name for expression in asked for name in metrics_of(expression)}

    assert rows[0] == "Stream lag"
    assert board["panels"][0]["type"] == "row"
    assert first >= {
        names.GROUP_LAG,
        names.GROUP_LAG_KNOWN,
        names.GROUP_OLDEST_WAITING,
        names.TURNS_WAITING,
        names.GROUP_PENDING,
        names.WORKERS_ALIVE,
    }


def test_every_stage_of_a_turn_is_shown() -> None:
    asked = " ".join(shown.expression for shown in QUERIES)

    for stage in ("end_of_turn", "queue", "context", "first_token", "bus_hop", "tts", "first_audio"):
        assert f'stage="{stage}"' in asked


def test_the_home_of_grafana_is_a_dashboard_that_is_there() -> None:
    compose = yaml.safe_load(Path("docker-compose.yml").read_text())
    home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert home == f"/var/lib/grafana/dashboards/{WRITTEN[0].uid}.json"
    assert (FOLDER / Path(home).name).exists()


def test_links_go_where_runbooks_are_served() -> None:
    assert Links().to("bus#redis") == "/d/runbook-bus#redis"
    assert Links("https://wiki.example/runbooks/").to("bus#redis") == "https://wiki.example/runbooks/bus.md#redis"
    assert Links().to("no-brain") == "/d/runbook-no-brain"


def test_a_page_in_grafana_links_to_pages_in_grafana() -> None:
    assert inside_grafana("see [it](guests-wait.md#how-to-look) and [rules](../../deploy/x.yml)") == (
        "see [it](/d/runbook-guests-wait#how-to-look) and rules"
    )
    assert all(".md" not in inside_grafana(markdown) for markdown in pages().values())


def test_headings_are_anchors() -> None:
    assert headings("# Bus and brains\n\n## Is it known\n### Really, now?\n") == {
        "bus-and-brains",
        "is-it-known",
        "really-now",
    }


def test_the_page_of_names_knows_what_is_used() -> None:
    assert {name for shown in QUERIES for name in metrics_of(shown.expression) if name.startswith("botel_")} <= {
        name + ending for name in PAGE for ending in ("", "_bucket", "_sum", "_count")
    }
