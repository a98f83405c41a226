"""`make bench-store` works: both databases take every event and give it back. The figures are not a test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.store_measure import QUICK
from tests.servers.postgres import MISSING, find_postgres

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.long
@pytest.mark.skipif(find_postgres() is None, reason=MISSING)
def test_a_quick_run_measures_both_databases(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.store", "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    found = msgspec.json.decode(out.read_bytes())["found"]
    assert set(found) == {"sqlite", "postgresql"}
    for rounds in found.values():
        assert len(rounds) == QUICK.rounds
        assert {one["count"] for one in rounds[0]["reads"].values()} == {QUICK.reads}
        assert rounds[0]["taken"]["per_s"] > 0
