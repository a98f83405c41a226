"""One run of the traffic for all panels: Prometheus is asked everything before the stack ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.observe.binary import PrometheusBinary
from tests.panels.asking import Answer, ask_all
from tests.panels.stage import observed_stack
from tests.panels.traffic import make_traffic
from tests.servers.prometheus import need_prometheus


class Told(NamedTuple):
    answers: dict[str, Answer]
    rules: dict[str, str]
    """Health of every alerting rule, by name."""
    rooms: bool


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What Prometheus answered to every query of both dashboards."""
    return asyncio.run(_ask(tmp_path_factory.mktemp("panels"), need_prometheus()))


async def _ask(folder: Path, binary: PrometheusBinary) -> Told:
    async with observed_stack(folder, binary) as observed:
        begun, ended = await make_traffic(observed)
        answers = await ask_all(observed.prometheus, begun, ended)
        rules = {rule.name: rule.health for rule in await observed.prometheus.rules()}
        return Told(answers, rules, observed.rooms)
