"""Every query of both dashboards returns data, and something else than zero, on a real Prometheus under real traffic.

A panel whose metric nobody feeds looks like a panel of a quiet day. Here nothing is quiet: what is rare is provoked.
"""

from __future__ import annotations

import pytest

from deploy.livekit.binary import find_go
from deploy.observe.client import Series
from tests.panels.asking import Answer, filled, judged, of_rooms
from tests.panels.conftest import Told
from tests.servers.livekit import why_no_server
from tests.unit.deploy.dashboards import Shown, queries, rules

QUERIES = list(queries())
NONE = float("nan")


@pytest.mark.parametrize("shown", QUERIES, ids=str)
def test_a_panel_shows_something(told: Told, shown: Shown) -> None:
    if of_rooms(shown) and not told.rooms:
        pytest.skip(why_no_server("this panel shows calls in rooms", find_go()))
    answer = told.answers[str(shown)]

    assert not answer.error
    assert answer.series, f"nobody tells {filled(shown.expression)}"
    assert answer.nonzero, f"always zero: {filled(shown.expression)}"


def test_prometheus_evaluates_the_shipped_rules(told: Told) -> None:
    assert told.rules == {rule["alert"]: "ok" for rule in rules()}


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([], Answer(0, 0)),
        ([Series({}, (1.0, 2.0), (0.0, 0.0))], Answer(1, 0)),
        ([Series({}, (1.0,), (NONE,))], Answer(1, 0)),
        ([Series({}, (1.0,), (0.0,)), Series({}, (1.0, 2.0), (0.0, 0.5))], Answer(2, 1)),
    ],
    ids=["nothing", "only zeros", "unknown", "something"],
)
def test_zero_and_unknown_are_no_data(found: list[Series], answer: Answer) -> None:
    assert judged(found) == answer


def test_a_variable_that_nobody_fills_is_noticed() -> None:
    with pytest.raises(KeyError, match="hotel"):
        filled('botel_x{property=~"$hotel"}')


def test_no_variable_is_left() -> None:
    assert not [shown for shown in QUERIES if "$" in filled(shown.expression)]
