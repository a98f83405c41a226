"""Starts, ends and asks a native stack that runs in the background or in another terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from deploy.local.process import State
from deploy.local.state import Files, StackState

T = TypeVar("T")

POLL_S = 0.1
START_S = 180.0
DRAIN_S = 90.0
"""Gateways with calls, then brains with turns: longer than the grace of both."""


class NotRunning(RuntimeError):
    """There is no stack to ask."""


class Failed(RuntimeError):
    """The launcher did not do it; the text says why."""


def start(files: Files, root: Path, env: Mapping[str, str], command: Sequence[str]) -> StackState:
    """Start a launcher in a session of its own; returns when its stack is ready.

    `command` runs `native.run` on the directory of `files`. `Failed` has its last words when it ends instead.
    """
    files.directory.mkdir(parents=True, exist_ok=True)
    with files.launcher_log.open("wb") as out:
        launcher = subprocess.Popen(
            command, cwd=root, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )

    def ready() -> StackState | None:
        if launcher.poll() is not None:
            raise Failed(files.launcher_log.read_text(errors="replace").strip() or "the launcher ended without a word")
        state = files.running()
        return state if state and state["ready"] and state["pid"] == launcher.pid else None

    try:
        return _until(ready, START_S, "the stack is not ready")
    except BaseException:
        if launcher.poll() is None:
            launcher.terminate()
            launcher.wait()
        raise


def stop(files: Files) -> None:
    """End the stack; returns when its launcher is gone. `NotRunning` when there is none."""
    os.kill(_running(files)["pid"], signal.SIGTERM)
    _until(lambda: files.running() is None, DRAIN_S, "the stack still drains")


def scale(files: Files, brains: int) -> StackState:
    """Have this many brains; returns when they are ready and the others are gone."""
    state = _running(files)
    if not state["ready"]:
        raise Failed("the stack is still starting")
    files.want_brains(brains)
    os.kill(state["pid"], signal.SIGUSR1)

    def done() -> StackState | None:
        now = _running(files)
        if now["error"]:
            raise Failed(now["error"])
        states = [row["state"] for row in now["rows"] if row["name"].startswith("brain-")]
        begun = (State.READY, State.UNREADY)  # one that cannot work just now has been ready, and holds nobody up
        return now if len(states) == brains and all(state in begun for state in states) else None

    return _until(done, START_S, "not all brains are ready")


def follow(path: Path, lines: int, *, only: str = "", on: bool = True) -> Iterator[str]:
    """The last lines of a log and then, while `on`, what is added, over the log being turned over as well."""
    with path.open(errors="replace") as log:
        yield from [line for line in log if line.startswith(only)][-lines:]
        while on:
            line = log.readline()
            if line:
                if line.startswith(only):
                    yield line
            elif path.exists() and path.stat().st_ino != os.fstat(log.fileno()).st_ino:
                break
            else:
                time.sleep(POLL_S)
    if on:
        yield from follow(path, sys.maxsize, only=only)


def _running(files: Files) -> StackState:
    state = files.running()
    if state is None:
        raise NotRunning("no native stack runs here")
    return state


def _until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(POLL_S)
    raise Failed(f"{what} after {seconds:g} s")
