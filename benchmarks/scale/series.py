"""What Prometheus has of the scene, as it is drawn: lag, age, brains, and when the alert was pending and firing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.scale.plan import ALERT
from deploy.observe.client import PrometheusClient, Series

STEP_S = 1.0
QUERIES = {
    "waiting": 'sum(botel_group_lag{group="brain"})',
    "oldest": 'max(botel_group_oldest_waiting_seconds{group="brain"})',
    "in flight": 'sum(botel_group_pending{group="brain"})',
    "brains": "sum(botel_workers_alive)",
}
"""By what they are called here. Lag is conversations that no brain has taken yet."""
_STATE = f'ALERTS{{alertname="{ALERT}",alertstate="%s"}}'


class Line(msgspec.Struct, frozen=True):
    """Values over time; times are seconds since the scene began."""

    times: list[float]
    values: list[float]


class Seen(msgspec.Struct, frozen=True):
    lines: dict[str, Line]
    pending: list[tuple[float, float]]
    firing: list[tuple[float, float]]
    """Spans, in seconds since the scene began, as Prometheus's own ALERTS series has them."""


async def look(prometheus: PrometheusClient, start: float, end: float) -> Seen:
    async def line(query: str) -> Line:
        found = await prometheus.range(query, start, end, STEP_S)
        return _line(found[0], start) if found else Line([], [])

    lines = {name: await line(query) for name, query in QUERIES.items()}
    pending, firing = [await prometheus.range(_STATE % state, start, end, STEP_S) for state in ("pending", "firing")]
    return Seen(lines, _spans(pending, start), _spans(firing, start))


def spans(times: Sequence[float], step_s: float) -> list[tuple[float, float]]:
    """Where times follow each other step by step: from the first of each stretch to the last."""
    found: list[tuple[float, float]] = []
    for at in times:
        if found and at - found[-1][1] <= step_s * 1.5:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


def _spans(series: Sequence[Series], start: float) -> list[tuple[float, float]]:
    times = sorted({at for one in series for at in one.times})
    return [(first - start, last - start) for first, last in spans(times, STEP_S)]


def _line(series: Series, start: float) -> Line:
    return Line([at - start for at in series.times], list(series.values))
