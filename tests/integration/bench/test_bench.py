"""`make bench` works: every load runs and every figure is there. What the figures are is not a test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.plan import PEERS, QUICK

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.long
def test_a_quick_run_measures_every_load(tmp_path: Path) -> None:
    # when
    out = tmp_path / "bench.json"
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    # then
    assert ended.returncode == 0, ended.stderr
    found = msgspec.json.decode(out.read_bytes())
    (run,) = found["runs"]
    answered = {(shape, peer) for shape, by_peer in run["answers"].items() for peer in by_peer}
    assert answered == {(shape.name, peer) for shape in QUICK.shapes for peer in PEERS}
    assert [run["answers"][shape.name]["bus"]["first"]["count"] for shape in QUICK.shapes] == [
        shape.turns for shape in QUICK.shapes
    ]
    assert run["chunks"]["delivered"] == 1.0
    assert run["cancel"]["count"] == QUICK.cancels
    assert all(target["what"] in ended.stdout for target in found["targets"])
