"""The same commands on Docker Compose, for where an engine answers."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from deploy.livekit.binary import OFF, VARIABLE
from deploy.livekit.config import KEYS_FILE, RoomKeys, kept_keys, write_private
from deploy.local.ports import HOST, answers
from deploy.local.state import ports_of
from deploy.redis.passwords import NAMES, PASSWORDS_FILE, Passwords, kept_passwords, url_of
from libs.bus.access import OPERATOR, users_file

AT_LEAST = (2, 24)
ANSWER_S = 10
HEALTHY_S = 300
DEVELOPMENT_PROPERTY = "harbour"
LIVEKIT_PORT = 7880
LLM_PORT = 80
REDIS_PLACE = "redis:6379"
VOICE, OBSERVABILITY = "voice", "observability"
KEPT_FILE = "postgres.password"
COMPOSE_FILE = "docker-compose.yml"
OF_SERVICES = ("BOTEL_", "BRAIN_", "DEEPGRAM_", "OPENAI_", "AZURE_OPENAI_", "ELEVENLABS_", "LANGSMITH_", "OTEL_")
OF_LAUNCHER = {
    "BOTEL_API_KEY",
    "BRAIN_STORE_KEYS",
    "BOTEL_STACK",
    "BOTEL_VAR",
    "BOTEL_REDIS_SERVER",
    "BOTEL_PROMETHEUS",
}
"""`make up` makes of them what containers get, or they are its own and the native stack's."""


class Kept(NamedTuple):
    """What is made at the first `make up` and kept beside the data: the containers' volumes know it."""

    rooms: RoomKeys
    postgres: str
    redis: Passwords = MappingProxyType({})


def kept(directory: Path) -> Kept:
    """Keys of the LiveKit server, passwords of PostgreSQL and of Redis's users: files that only their owner reads."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / KEPT_FILE
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24) + "\n")
    return Kept(kept_keys(directory / KEYS_FILE), path.read_text().strip(), kept_passwords(directory / PASSWORDS_FILE))


def compose_env(env: Mapping[str, str], keys: Kept | None = None) -> dict[str, str]:
    """What docker-compose.yml is filled in with: the environment, and what `make up` adds to it.

    Of the development key only the digest, which is all that a server may know; the brain is a client of the store and
    gets the key. Without `keys` it is enough for commands that look at containers or end them, not to make any.
    """
    key = env.get("BOTEL_API_KEY", "")
    store = env.get("BRAIN_STORE_KEYS") or (f"{DEVELOPMENT_PROPERTY}:{key}" if key else "")
    digests = env.get("BOTEL_API_KEYS") or f"{DEVELOPMENT_PROPERTY}:{hashlib.sha256(key.encode()).hexdigest()}"
    password = env.get("BOTEL_POSTGRES_PASSWORD") or (keys.postgres if keys else "-")
    return {
        **env,
        "BOTEL_API_KEYS": digests,
        "BRAIN_STORE_KEYS": store,
        "BOTEL_POSTGRES_PASSWORD": password,
        **redis_env(env.get("REDIS_URL", ""), keys.redis if keys else {}),
        **_rooms_env(env, keys.rooms if keys else None),
    }


def redis_env(yours: str, passwords: Passwords) -> dict[str, str]:
    """The users file of the container, and each service's way in; `yours`: the URL of another Redis, for all."""
    names = {name: f"BOTEL_REDIS_URL_{name.upper()}" for name in NAMES if name != OPERATOR.name}
    if not passwords:
        return {"BOTEL_REDIS_USERS": "-", **dict.fromkeys(names.values(), yours or "-")}
    urls = {variable: yours or url_of(name, passwords, REDIS_PLACE) for name, variable in names.items()}
    return {"BOTEL_REDIS_USERS": users_file(passwords), **urls}


def _rooms_env(env: Mapping[str, str], keys: RoomKeys | None) -> dict[str, str]:
    """Profiles as the user wishes them, else all: without voice where there are to be no rooms."""
    theirs, off = bool(env.get("LIVEKIT_URL")), env.get(VARIABLE) == OFF
    usual = OBSERVABILITY if off and not theirs else f"{VOICE},{OBSERVABILITY}"
    chosen = {"COMPOSE_PROFILES": env.get("COMPOSE_PROFILES", usual)}
    if theirs or off:
        return {**chosen, "BOTEL_LIVEKIT_SERVERS": "0"}
    if keys is None:
        return chosen
    port = ports_of(env, {"LIVEKIT": LIVEKIT_PORT})["LIVEKIT"]
    return {
        **chosen,
        "LIVEKIT_URL": f"ws://livekit:{LIVEKIT_PORT}",
        "LIVEKIT_PUBLIC_URL": env.get("LIVEKIT_PUBLIC_URL") or f"ws://{HOST}:{port}",
        "LIVEKIT_API_KEY": keys.key,
        "LIVEKIT_API_SECRET": keys.secret,
    }


def without_taken_port(env: Mapping[str, str], *, ours: bool) -> dict[str, str]:
    """The environment with BotelLLM's port left out, if nobody has named one and somebody else answers on it.

    `ours`: it is this stack's own gateway that answers.
    """
    taken = not env.get("BOTEL_LLM_PORT") and not ours and answers(LLM_PORT)
    return {**env, "BOTEL_LLM_PORT": "0"} if taken else dict(env)


def unseen_by_containers(root: Path, environ: Mapping[str, str], dotenv: Mapping[str, str]) -> list[str]:
    """Settings of services that are otherwise in the environment than containers get them, which is from `.env`.

    The Compose file passes some on: `${NAME...}`, or a name without a value.
    """
    text = (root / COMPOSE_FILE).read_text()
    passed = {*re.findall(r"\$\{(\w+)", text), *re.findall(r"(?m)^ +([A-Z][A-Z0-9_]+):$", text)}
    given = {name for name, value in environ.items() if name.startswith(OF_SERVICES) and value != dotenv.get(name, "")}
    return sorted(name for name in given - passed - OF_LAUNCHER - {VARIABLE} if not name.startswith("BOTEL_TEST_"))


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
        """Returns when every container is healthy, or the first has failed, or after `HEALTHY_S`."""
        waiting = ("--wait", "--wait-timeout", str(HEALTHY_S))
        return self._do("up", "--detach", "--build", *waiting, "--scale", f"brain={brains}")

    def down(self) -> int:
        return self._do_to_all("down")

    def ps(self) -> int:
        return self._do_to_all("ps")

    def logs(self, service: str, lines: int, *, follow: bool) -> int:
        chosen = [service] if service else []
        return self._do_to_all("logs", "--tail", str(lines), *(["--follow"] if follow else []), *chosen)

    def scale(self, brains: int) -> int:
        # `up` keeps the rest as it is, and gives those that go their whole grace.
        return self._do("up", "--detach", "--no-recreate", "--wait", "--scale", f"brain={brains}", "brain")

    def _do_to_all(self, *arguments: str) -> int:
        """To the containers of every profile, whichever `up` was called with."""
        return self._do("--profile", VOICE, "--profile", OBSERVABILITY, *arguments)

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
