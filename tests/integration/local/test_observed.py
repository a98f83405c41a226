"""`make up` and `make local` with and without a Prometheus on the machine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import background
from deploy.local.leash import group_lives
from deploy.local.state import Files, StackState, shown
from deploy.observe.client import PrometheusClient, Target
from tests.eventually import eventually
from tests.servers.prometheus import need_prometheus

ROOT = Path.cwd()
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path / "var")
    yield files
    if files.running():
        background.stop(files)


def start(files: Files, **env: str) -> StackState:
    command = [sys.executable, "-m", "tests.integration.local.standins", str(files.directory)]
    return background.start(files, ROOT, {**os.environ, **env}, command)


def instances(state: StackState) -> set[str]:
    """Of the brains that Prometheus knows, once it knows any."""

    async def ask() -> list[Target]:
        async with PrometheusClient(state["prometheus"].split()[0]) as prometheus:
            return [one for one in await prometheus.targets() if one.job == "brain"]

    wanted = [row["name"] for row in state["rows"] if row["name"].startswith("brain-")]
    found = asyncio.run(eventually(ask, lambda targets: len(targets) == len(wanted)))
    return {one.instance for one in found}


def test_it_is_started_with_the_stack_told_of_brains_and_ended_with_it(files: Files) -> None:
    need_prometheus()
    state = start(files)

    assert "prometheus: http://127.0.0.1:" in shown(state)
    assert instances(state) == {"brain-1", "brain-2"}
    assert instances(background.scale(files, 3)) == {"brain-1", "brain-2", "brain-3"}

    background.stop(files)
    [pid] = [row["pid"] for row in state["rows"] if row["name"] == "prometheus"]
    assert not group_lives(pid)


def test_without_one_the_stack_runs_and_says_so(files: Files) -> None:
    state = start(files, BOTEL_PROMETHEUS="off")

    assert state["ready"]
    assert "prometheus" not in {row["name"] for row in state["rows"]}
    assert "prometheus: none: BOTEL_PROMETHEUS=off" in shown(state)
