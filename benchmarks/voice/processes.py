"""A process, or all that descend from it: memory of its own and processor time, from /proc. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PROC = Path("/proc")


class Process(msgspec.Struct, frozen=True):
    """At one moment."""

    pid: int
    parent: int
    uss_mb: float
    """Memory that would be free if this process alone went: private pages, clean and dirty."""
    cpu_s: float
    """User and system time so far."""


def supported() -> bool:
    """Whether this system tells."""
    return (_PROC / "self" / "smaps_rollup").exists()


def tree(root: int) -> list[Process]:
    """The process and all its descendants, itself first; those that end meanwhile are left out."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop(0)
        waiting += children.get(pid, [])
        if process := look(pid):
            found.append(process)
    return found


def look(pid: int) -> Process | None:
    """One process; None when it has ended."""
    stat = _stat(pid)
    if not stat:
        return None
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (OSError, ProcessLookupError):
        return None
    return Process(pid, int(stat[1]), uss_mb_of(rollup), (int(stat[11]) + int(stat[12])) / _TICKS)


def uss_mb_of(rollup: str) -> float:
    """From the text of smaps_rollup; megabytes."""
    lines = (line.split() for line in rollup.splitlines())
    return sum(int(words[1]) for words in lines if words and words[0] in ("Private_Clean:", "Private_Dirty:")) / 1024


def _stat(pid: int) -> list[str]:
    """The fields of `stat` from the state on: the name before it may hold anything."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ProcessLookupError):
        return []
