"""The same commands on Docker Compose, for where an engine answers."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.livekit.binary import OFF, VARIABLE
from deploy.livekit.config import RoomKeys
from deploy.local.ports import HOST
from deploy.local.state import ports_of

AT_LEAST = (2, 24)
ANSWER_S = 10
DEVELOPMENT_PROPERTY = "harbour"
LIVEKIT_PORT = 7880


def compose_env(env: Mapping[str, str], rooms: RoomKeys | None = None) -> dict[str, str]:
    """The environment with the digest of the development key, which is all that a server may know of it.

    The brain is a client of the store: it gets the key. `rooms`: keys of the LiveKit server among the containers, which
    is there unless another is named.
    """
    key = env.get("BOTEL_API_KEY", "")
    store = env.get("BRAIN_STORE_KEYS") or (f"{DEVELOPMENT_PROPERTY}:{key}" if key else "")
    digests = env.get("BOTEL_API_KEYS") or f"{DEVELOPMENT_PROPERTY}:{hashlib.sha256(key.encode()).hexdigest()}"
    return {**env, "BOTEL_API_KEYS": digests, "BRAIN_STORE_KEYS": store, **_rooms_env(env, rooms)}


def _rooms_env(env: Mapping[str, str], keys: RoomKeys | None) -> dict[str, str]:
    if env.get("LIVEKIT_URL") or env.get(VARIABLE) == OFF:
        return {}
    port = ports_of(env, {"LIVEKIT": LIVEKIT_PORT})["LIVEKIT"]
    profiles = {"COMPOSE_PROFILES": ",".join(filter(None, [env.get("COMPOSE_PROFILES"), "rooms"]))}
    if keys is None:
        return profiles
    return {
        **profiles,
        "LIVEKIT_URL": f"ws://livekit:{LIVEKIT_PORT}",
        "LIVEKIT_PUBLIC_URL": env.get("LIVEKIT_PUBLIC_URL") or f"ws://{HOST}:{port}",
        "LIVEKIT_API_KEY": keys.key,
        "LIVEKIT_API_SECRET": keys.secret,
    }


class Compose:
    """Docker Compose in the project's directory."""

    def __init__(self, root: Path, environ: Mapping[str, str], *, docker: str = "docker") -> None:
        """`environ`: what the file is filled in with; see `compose_env`."""
        self._root = root
        self._environ = dict(environ)
        self._docker = docker

    def why_not(self) -> str:
        """Why Compose cannot be used here; '' when it can."""
        if not shutil.which(self._docker, path=self._environ.get("PATH")):
            return "no docker command"
        version = self._told("compose", "version", "--short")
        match = re.match(r"v?(\d+)\.(\d+)", version)
        if not match:
            return "docker has no compose plugin"
        if tuple(map(int, match.groups())) < AT_LEAST:
            return f"Docker Compose {version.strip()} is older than {'.'.join(map(str, AT_LEAST))}"
        return "" if self._told("info", "--format", "{{.ServerVersion}}").strip() else "no Docker engine answers"

    def runs(self) -> bool:
        """Whether containers of this project are up."""
        return not self.why_not() and bool(self._told("compose", "ps", "--quiet").strip())

    def up(self, brains: int) -> int:
        return self._do("up", "--detach", "--build", "--wait", "--scale", f"brain={brains}")

    def down(self) -> int:
        return self._do("down")

    def ps(self) -> int:
        return self._do("ps")

    def logs(self, service: str, lines: int, *, follow: bool) -> int:
        chosen = [service] if service else []
        return self._do("logs", "--tail", str(lines), *(["--follow"] if follow else []), *chosen)

    def scale(self, brains: int) -> int:
        # `up` keeps the rest as it is, and gives those that go their whole grace.
        return self._do("up", "--detach", "--no-recreate", "--wait", "--scale", f"brain={brains}", "brain")

    def _do(self, *arguments: str) -> int:
        return subprocess.run(
            [self._docker, "compose", *arguments], cwd=self._root, env=self._environ, check=False
        ).returncode

    def _told(self, *arguments: str) -> str:
        """What a command writes; '' when it fails or does not answer in time."""
        try:
            done = subprocess.run(
                [self._docker, *arguments],
                cwd=self._root,
                env=self._environ,
                capture_output=True,
                text=True,
                timeout=ANSWER_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout if done.returncode == 0 else ""
