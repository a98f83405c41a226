"""A panel's query as Grafana would send it, and what counts as an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from deploy.observe.client import PrometheusClient, PrometheusError, Series
from libs.observability import names
from tests.unit.deploy.dashboards import Shown, metrics_of, queries

SCRAPE_S = 1.0
_FILLED = {"__rate_interval": f"{10 * SCRAPE_S:.0f}s", "property": ".*", "shard": ".*"}
"""Variables at their first value, All; the interval is what Grafana makes of a step below four scrapes, and some more:
the machine is busy."""
_VARIABLE = re.compile(r"\$(\w+)")
OF_ROOMS = {
    names.CALLS_ACTIVE,
    names.JOBS,
    names.JOB_LOOP_LAG,
    names.CALL_PACKET_LOSS,
    names.CALL_JITTER,
    names.WATCHDOG_LEASES_LOST,
    names.WATCHDOG_TAKEOVERS,
    names.VOICE_SESSIONS,
}
"""What is told of calls in rooms only: without a LiveKit server there is nothing to show."""


class Answer(NamedTuple):
    series: int
    nonzero: int
    """Samples that are neither 0 nor unknown."""
    error: str = ""


def filled(expression: str) -> str:
    """With values in place of Grafana's variables; KeyError for one that nobody gives a value."""
    return _VARIABLE.sub(lambda match: _FILLED[match[1]], expression)


def of_rooms(shown: Shown) -> bool:
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics_of(shown.expression)}
    return bool(used & OF_ROOMS)


def judged(found: Sequence[Series]) -> Answer:
    values = [value for one in found for value in one.values]
    return Answer(len(found), sum(value != 0 and not math.isnan(value) for value in values))


async def ask_all(prometheus: PrometheusClient, begun: float, ended: float) -> dict[str, Answer]:
    """Every query of every dashboard over the time of the traffic, by the name of its panel."""
    answers = {}
    for shown in queries():
        try:
            answers[str(shown)] = judged(await prometheus.range(filled(shown.expression), begun, ended, SCRAPE_S))
        except PrometheusError as error:
            answers[str(shown)] = Answer(0, 0, str(error))
    return answers
