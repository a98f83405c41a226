"""What a running native stack leaves on disk, so that `down`, `ps`, `logs` and `scale` find it.

A lock that the launcher holds for as long as it lives says whether one runs: a number in a file could be anybody's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict


class RowState(TypedDict):
    name: str
    state: str
    pid: int
    port: int
    deaths: int


class StackState(TypedDict):
    pid: int
    ready: bool
    redis: str
    rooms: str
    """The LiveKit server that is used, or why there is none."""
    prometheus: str
    """Where it is, or why there is none."""
    text_url: str
    rows: list[RowState]
    error: str


class AlreadyRunning(RuntimeError):
    """Another launcher works in this directory."""


class Files:
    """The files of one data directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "stack.log"
        self.launcher_log = directory / "launcher.log"
        self._lock = directory / "lock"
        self._state = directory / "state.json"
        self._brains = directory / "brains"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; `AlreadyRunning` when another does. Released by the kernel when this process ends."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(f"a stack already runs in {self.directory}: make down ends it") from error
            try:
                yield
            finally:
                self._state.unlink(missing_ok=True)

    def running(self) -> StackState | None:
        """The state of the stack that runs here, or None."""
        if not self._lock.exists():
            return None
        with self._lock.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return self._read()
        return None

    def write(self, state: StackState) -> None:
        """Replace the state as a whole: a reader never sees half of it."""
        part = self._state.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(state))
        part.replace(self._state)

    def want_brains(self, brains: int) -> None:
        self._brains.write_text(str(brains))

    def wanted_brains(self) -> int:
        return int(self._brains.read_text())

    def _read(self) -> StackState | None:
        if not self._state.exists():
            return None
        state: StackState = json.loads(self._state.read_text())
        return state


def table(rows: list[RowState]) -> str:
    """For people: one line per process."""
    lines = [f"{'process':<16}{'state':<10}{'pid':>8}{'port':>7}{'restarts':>10}"]
    lines += [
        f"{row['name']:<16}{row['state']:<10}{row['pid'] or '-':>8}{row['port']:>7}{row['deaths']:>10}" for row in rows
    ]
    return "\n".join(lines)


def shown(state: StackState) -> str:
    """For people: the processes, and what the stack has besides."""
    return f"{table(state['rows'])}\nrooms: {state['rooms']}\nprometheus: {state['prometheus']}"


def ports_of(environ: Mapping[str, str], names: Mapping[str, int]) -> dict[str, int]:
    """The port by name: BOTEL_<name>_PORT, else the one given; ValueError with the setting's name when it is none."""
    ports = {}
    for name, default in names.items():
        text = environ.get(f"BOTEL_{name}_PORT") or str(default)
        if not text.isdigit() or not 0 < int(text) < 65_536:
            raise ValueError(f"BOTEL_{name}_PORT={text!r}: not a port")
        ports[name] = int(text)
    return ports
