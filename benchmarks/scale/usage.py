"""Processor time: of the stack's processes with all that they started, of the load, the whole machine. Linux only."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.voice.processes import tree

LOAD = "guests"
"""The process that measures: all guests are in it."""
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_STAT = Path("/proc/stat")


class Usage(msgspec.Struct, frozen=True):
    """Processor seconds so far, and when that was."""

    at: float
    by_name: dict[str, float]
    machine: float
    """Of everything that runs on it, whosever it is."""


class Cores(msgspec.Struct, frozen=True):
    """Cores that were busy on average between two moments."""

    by_name: dict[str, float]
    others: float
    """With work that is not ours."""
    busy: float
    """Of all."""


def usage_of(pids: Mapping[str, int]) -> Usage:
    """`pids` by process name; brains count together, and so does this process, as the guests."""
    found: dict[str, float] = defaultdict(float)
    for name, pid in pids.items():
        kind = "brain" if name.startswith("brain-") else name
        found[kind] += sum(process.cpu_s for process in tree(pid))
    found[LOAD] = time.process_time()
    return Usage(time.monotonic(), dict(found), machine_s(_STAT.read_text(), _TICKS))


def cores_between(before: Usage, after: Usage) -> Cores:
    """A process that ended meanwhile counts as none of ours."""
    took = after.at - before.at
    ours = {
        name: (seconds - before.by_name[name]) / took
        for name, seconds in after.by_name.items()
        if name in before.by_name
    }
    busy = (after.machine - before.machine) / took
    return Cores(ours, max(0.0, busy - sum(ours.values())), busy)


def machine_s(stat: str, ticks: int) -> float:
    """From the first line of /proc/stat: everything but idle, waiting for disks, and what repeats other columns."""
    user, nice, system, _idle, _waiting, irq, soft, steal, *_ = (int(word) for word in stat.split("\n")[0].split()[1:])
    return (user + nice + system + irq + soft + steal) / ticks
