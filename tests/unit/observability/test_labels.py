"""Labels are closed sets: no metric that any service registers has one outside of the list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from libs.observability.http import HttpMetrics
from libs.observability.labels import LABELS, OTHER, Properties
from libs.observability.loop_lag import LoopLag
from libs.observability.metrics import BusMetrics, process_registry
from libs.observability.stages import StageMetrics
from tests.unit.observability.exposition import labels_of

SOURCES = [path for top in ("libs", "services", "deploy") for path in Path(top).rglob("*.py")]
FAMILIES = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
FAMILIES |= {f"{kind}MetricFamily" for kind in ("Counter", "Gauge", "Histogram", "Summary", "Info", "StateSet")}


def labels_in(source: str) -> Iterator[str]:
    """Label names of all metrics that a source makes: lists of names among the arguments, or `labels=`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in FAMILIES:
            continue
        given = [*node.args, *(one.value for one in node.keywords if one.arg in ("labels", "labelnames"))]
        for argument in given:
            if isinstance(argument, ast.List | ast.Tuple):
                yield from (ast.literal_eval(one) if isinstance(one, ast.Constant) else "?" for one in argument.elts)


@pytest.mark.parametrize("planted", ["conversation", "turn", "guest", "transcript"])
def test_a_planted_label_is_found(planted: str) -> None:
    source = f"Counter(names.X, 'text', ['status', '{planted}'], registry=registry)"

    assert set(labels_in(source)) - LABELS == {planted}


def test_no_source_makes_a_metric_with_a_label_outside_of_the_list() -> None:
    found = {str(path): set(labels_in(path.read_text())) for path in SOURCES}
    # `_counter` of the bus's metrics passes on the one label that it is given: those are registered below.
    found["libs/observability/metrics.py"].discard("?")

    assert len([labels for labels in found.values() if labels]) > 5
    assert {path: labels - LABELS for path, labels in found.items() if labels - LABELS} == {}


def test_what_is_registered_has_no_label_outside_of_the_list() -> None:
    registry = process_registry("brain", "1.0")
    BusMetrics(registry)
    StageMetrics(registry)
    LoopLag(registry)
    HttpMetrics(registry)

    ours = [family for family in registry.collect() if family.name.startswith("botel_")]
    used = {label for family in ours for sample in family.samples for label in sample.labels}

    assert used - {"le"} <= LABELS


def test_the_list_has_no_label_that_grows_with_guests() -> None:
    assert (
        not {"conversation", "conversation_id", "turn", "turn_id", "call", "customer", "reservation", "room"} & LABELS
    )


def test_properties_are_bounded_for_every_metric_by_itself() -> None:
    registry = CollectorRegistry()
    counter, bounded = Counter("botel_x_total", "", ["property"], registry=registry), Properties(2)

    for hotel in ("a", "b", "c", "d", "a"):
        counter.labels(bounded.label(hotel)).inc()

    assert labels_of(registry, "botel_x_total", "property") == {"a", "b", OTHER}
