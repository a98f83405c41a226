"""What a call costs is told apart from what stands there for all calls."""

from __future__ import annotations

import os

import pytest

from benchmarks.voice import processes
from benchmarks.voice.capacity import Snapshot, load_of
from benchmarks.voice.plan import Side
from benchmarks.voice.processes import Process

_ROLLUP = """\
00400000-7ffd2 ---p 00000000 00:00 0    [rollup]
Rss:              358000 kB
Pss:              115000 kB
Private_Clean:      1024 kB
Private_Dirty:     55296 kB
Swap:                  0 kB
"""


def test_unique_memory_is_private_pages_clean_and_dirty() -> None:
    assert processes.uss_mb_of(_ROLLUP) == 55.0


@pytest.mark.skipif(not processes.supported(), reason="reads /proc")
def test_a_process_is_seen_with_its_memory_and_time() -> None:
    found = processes.tree(os.getpid())

    assert found[0].pid == os.getpid()
    assert found[0].parent == os.getppid()
    assert found[0].uss_mb > 1
    assert found[0].cpu_s > 0
    assert processes.look(2**22 + 1) is None


def test_the_largest_processes_hold_the_calls_and_the_rest_is_shared() -> None:
    # given a server, its fork server, two calls, one process that waits for a call, and a brain
    def seen(cpu_s: float) -> Snapshot:
        sizes = {1: 99.0, 2: 40.0, 3: 55.0, 4: 57.0, 5: 10.0}
        agents = [Process(pid, 1, size, cpu_s if pid in (3, 4) else 0.0) for pid, size in sizes.items()]
        return Snapshot(agents, [Process(9, 0, 80.0, cpu_s)], Process(7, 0, 30.0, cpu_s))

    # when
    load = load_of(Side.OURS, 2, seen(1.0), seen(3.0), 10.0, [700.0, 900.0], failed=1)

    # then
    assert load.call_mb == 56.0
    assert load.base_mb == 99 + 40 + 10 + 80
    assert load.call_cpu == pytest.approx(20)
    assert load.base_cpu == pytest.approx(20)
    assert load.livekit_cpu == pytest.approx(20)
    assert (load.first_audio_ms, load.turns, load.failed) == (800.0, 2, 1)
