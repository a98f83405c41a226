"""Ends the processes of a launcher that died without ending them itself (kill -9, out of memory).

`Leash` starts this file as a process of its own session, which reads the launcher's process groups from a pipe. The
pipe closes when the launcher is gone, however it went; then every group still on the list is asked to end and, after
the grace, killed. Works wherever there are pipes and process groups.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 5.0


class Leash:
    """Holds process groups. Blocks never: a line of a few bytes per call."""

    def __init__(self, *, grace_s: float = GRACE_S) -> None:
        command = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(grace_s)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def add(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """The group has ended: its number may be given to others."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Whatever is still held is ended; returns when that is done."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def group_lives(group: int) -> bool:
    """Whether a process of this group still runs. A zombie does not, however long its parent takes to wait for it."""
    return signal_group(group, 0) and any(state != "Z" for number, state in _states() if number == group)


def _states() -> Iterator[tuple[int, str]]:
    """Process group and state letter of every process of this machine."""
    if not Path("/proc/self/stat").exists():
        lines = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
        for pgid, state in (line.split()[:2] for line in lines.splitlines()):
            yield int(pgid), state[0]
        return
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (name, which may hold blanks and brackets) state ppid pgrp ...
            state, _, pgid = path.read_text().rpartition(")")[2].split()[:3]
            yield int(pgid), state


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a whole group; False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS answers so for a group of zombies only.
        return False
    return True


def main(grace_s: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(number)
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if group_lives(group)}
    for group in left:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    main(float(sys.argv[1]))
