"""Finds a Prometheus of this machine: the launcher, the scale demo and the tests start the same one.

Order: what BOTEL_PROMETHEUS names (a path, or `off` for none), `prometheus` on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PROGRAM = "prometheus"
VARIABLE = "BOTEL_PROMETHEUS"
OFF = "off"
INSTALL = "sudo apt install prometheus, or brew install prometheus, or set BOTEL_PROMETHEUS to its path"
_TOLD = re.compile(r"prometheus, version (\d+)\.(\d+)\.(\d+)")
_ANSWER_S = 20


class NoPrometheus(RuntimeError):
    """There is none to start; the text says what was looked at and what to install."""


class PrometheusBinary(NamedTuple):
    path: str
    version: tuple[int, ...]
    source: str
    """Where it was found, for people."""

    def __str__(self) -> str:
        return f"{Path(self.path).name} {'.'.join(map(str, self.version))} ({self.source})"


def find_prometheus(env: Mapping[str, str] = os.environ) -> PrometheusBinary:
    """The one to start; `NoPrometheus` when there is none, or none is wanted."""
    forced = env.get(VARIABLE, "")
    if forced == OFF:
        raise NoPrometheus(f"{VARIABLE}={OFF}")
    path, source = (forced, VARIABLE) if forced else (shutil.which(PROGRAM, path=env.get("PATH")) or "", "on PATH")
    if not path:
        raise NoPrometheus(f"no Prometheus is installed: {INSTALL}")
    version = _version(path)
    if not version:
        raise NoPrometheus(f"{path} does not run as Prometheus: {INSTALL}")
    return PrometheusBinary(path, version, source)


def _version(path: str) -> tuple[int, ...]:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    match = _TOLD.search(done.stdout + done.stderr)
    return tuple(map(int, match.groups())) if match else ()
