"""`make scale-demo`, a short one: the alert fires and clears in a real Prometheus, and no answer is lost."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from benchmarks.voice.processes import supported
from deploy.local.state import Files
from deploy.observe.capture import read_capture
from deploy.observe.config import rule_digests
from tests.servers.prometheus import need_prometheus

WITHIN_S = 420.0


@pytest.mark.long
@pytest.mark.skipif(not supported(), reason="reads /proc")
async def test_a_rush_is_seen_and_brains_end_it(tmp_path: Path) -> None:
    need_prometheus()
    command = (sys.executable, "-m", "benchmarks.scale", "--quick", "--out", str(tmp_path))
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(WITHIN_S):
        _, said = await process.communicate()

    report = json.loads((tmp_path / "report.json").read_text())
    assert process.returncode == 0, said.decode()
    assert report["rules"] == rule_digests()
    assert report["seen"]["firing"]
    assert report["answers"]["asked"] == report["answers"]["answered"] > 100
    assert max(report["seen"]["lines"]["brains"]["values"]) == 4
    assert (tmp_path / "scale-demo.png").stat().st_size > 10_000
    captured = [read_capture(path) for path in (tmp_path / "panels").glob("*.json")]
    assert any(one.curves for found in captured for one in found.panels)
    assert Files(tmp_path / "var").running() is None
