"""A real Prometheus beside a stack: real brains and store, found as they come and go; the shipped rules in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.env import without_settings
from deploy.local.redis_server import find_redis
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from deploy.observe.beside import PROMETHEUS, tell, with_prometheus
from deploy.observe.client import PrometheusClient, QueryRefused, Target
from deploy.observe.config import rule_files
from tests.eventually import eventually
from tests.servers.prometheus import need_prometheus

ENV = {**without_settings(os.environ), "BOTEL_API_KEY": "dev-observe"}
LOOKED_AT = [service for service in SERVICES if service.name in ("context_store", "brain")]


def observed(directory: Path) -> Stack:
    services = with_prometheus(LOOKED_AT, directory, need_prometheus(), scrape_s=0.5, evaluation_s=0.5)
    stack = Stack(
        directory,
        env=ENV,
        redis=find_redis(),
        brains=1,
        services=services,
        durable=False,
        on_change=lambda: tell(directory, stack.rows()),
    )
    return stack


def healthy(*instances: str) -> Callable[[list[Target]], bool]:
    def all_up(targets: list[Target]) -> bool:
        return {one.instance: one.health for one in targets} == dict.fromkeys(instances, "up")

    return all_up


@pytest.mark.long
async def test_it_scrapes_what_runs_and_evaluates_the_shipped_rules(tmp_path: Path) -> None:
    async with observed(tmp_path) as stack, PrometheusClient(stack.url(PROMETHEUS)) as prometheus:
        await eventually(prometheus.targets, healthy("context_store", "brain-1"))

        await stack.scale(2)
        await eventually(prometheus.targets, healthy("context_store", "brain-1", "brain-2"))
        alive = "sum(botel_workers_alive)"
        await eventually(lambda: prometheus.instant(alive), lambda found: [one.value for one in found] == [2])

        await stack.scale(1)
        await eventually(prometheus.targets, healthy("context_store", "brain-1"))

        rules = await prometheus.rules()
        assert {rule.file for rule in rules} == {str(path) for path in rule_files()}
        [waits] = [rule for rule in rules if rule.name == "GuestsWait"]
        assert waits.hold_s == 15
        assert {alert.name for alert in await prometheus.alerts()} <= {rule.name for rule in rules}

        now = time.time()
        [series] = await prometheus.range(alive, now - 5, now, 0.5)
        assert 2.0 in series.values
        assert list(series.times) == sorted(series.times)
        with pytest.raises(QueryRefused) as refused:
            await prometheus.instant("sum(")
        assert refused.value.kind == "bad_data"
