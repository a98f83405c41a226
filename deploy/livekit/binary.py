"""Finds a LiveKit server of this machine: the launcher and the tests start the same one.

Order: what BOTEL_LIVEKIT_SERVER names (a path, or `off` for none), the one that `make livekit-server` has built,
`livekit-server` on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

VERSION = "1.13.5"
"""What `make livekit-server` builds, and what docker-compose.yml runs."""
PROGRAM = "livekit-server"
VARIABLE = "BOTEL_LIVEKIT_SERVER"
OFF = "off"
GO_AT_LEAST = (1, 26)
"""What the server's own go.mod asks for."""
_TOLD = re.compile(r"version (\d+)\.(\d+)\.(\d+)")
_GO_TOLD = re.compile(r"\bgo(\d+)\.(\d+)")
_ANSWER_S = 20


class NoLiveKit(RuntimeError):
    """There is no server to start; the text says what to do."""


class LiveKitBinary(NamedTuple):
    path: str
    version: tuple[int, ...]
    source: str
    """Where it was found, for people."""

    def __str__(self) -> str:
        return f"{PROGRAM} {'.'.join(map(str, self.version))} ({self.source})"


def cache_path(env: Mapping[str, str] = os.environ) -> Path:
    """Where `make livekit-server` puts it: outside of the checkout, by version."""
    caches = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or Path.home()) / ".cache")
    return Path(caches) / "botel" / "livekit" / VERSION / PROGRAM


def find_livekit(env: Mapping[str, str] = os.environ) -> LiveKitBinary:
    """The server to start; `NoLiveKit` when there is none, or none is wanted."""
    forced = env.get(VARIABLE, "")
    if forced == OFF:
        raise NoLiveKit(f"{VARIABLE}={OFF}")
    on_path = shutil.which(PROGRAM, path=env.get("PATH"))
    built = cache_path(env)
    if forced:
        candidates = [(forced, VARIABLE)]
    else:
        candidates = [(str(built), "built by make livekit-server")] if built.is_file() else []
        candidates += [(on_path, "on PATH")] if on_path else []
    for path, source in candidates:
        if version := server_version(path):
            return LiveKitBinary(path, version, source)
    seen = "".join(f", and {path} does not run" for path, _ in candidates)
    raise NoLiveKit(f"no LiveKit server is installed{seen}: make livekit-server builds {VERSION}")


def server_version(path: str) -> tuple[int, ...]:
    """Its version; () when it does not run."""
    match = _TOLD.search(_told([path, "--version"]))
    return tuple(map(int, match.groups())) if match else ()


def find_go(env: Mapping[str, str] = os.environ) -> str:
    """A Go on PATH that is new enough to build the server, or ''."""
    path = shutil.which("go", path=env.get("PATH")) or ""
    match = _GO_TOLD.search(_told([path, "version"], env)) if path else None
    return path if match and tuple(map(int, match.groups())) >= GO_AT_LEAST else ""


def _told(command: list[str], env: Mapping[str, str] = os.environ) -> str:
    try:
        return subprocess.run(
            command, env=dict(env), capture_output=True, text=True, timeout=_ANSWER_S, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
