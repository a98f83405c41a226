"""`make bench-voice` works: every side is called and every figure is there. What they are is not a test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.voice import processes
from benchmarks.voice.plan import Side
from tests.servers.livekit import need_livekit

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.long
@pytest.mark.skipif(not processes.supported(), reason="bench-voice reads /proc")
def test_a_try_calls_every_side(tmp_path: Path) -> None:
    need_livekit()

    # when
    out = tmp_path / "bench-voice.json"
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.voice", "--turns", "2", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    # then
    assert ended.returncode == 0, ended.stderr
    found = msgspec.json.decode(out.read_bytes())["found"]
    assert {turn["side"] for turn in found["turns"]} == set(Side)
    assert {cut["side"] for cut in found["cuts"]} == set(Side)
    assert [(load["side"], load["calls"]) for load in found["loads"]] == [
        (side, calls) for side in (Side.OURS, Side.PEER) for calls in (1, 2)
    ]
    assert all(turn["first_audio_ms"] > 0 for turn in found["turns"])
    assert all(load["call_mb"] > 0 and load["call_cpu"] > 0 for load in found["loads"])
    assert found["failed"] == []
