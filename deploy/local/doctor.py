"""What this machine has and what it lacks. Says of keys only whether they are there."""

from __future__ import annotations

import enum
import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from deploy.livekit.binary import find_go
from deploy.livekit.build import GO_WHEEL
from deploy.local import bootstrap
from deploy.local.compose import Compose
from deploy.local.ports import is_free
from deploy.local.redis_server import NoRedis, find_redis
from deploy.local.rooms import choose_rooms
from deploy.local.services import LIVEKIT_SERVICE, SERVICES
from deploy.local.stack import DEFAULT_REDIS_PORT
from deploy.local.state import ports_of

KEYS = {
    "BOTEL_API_KEY": "the sample hotel's key (made by make up and make local)",
    "OPENAI_API_KEY": "OpenAI models and speech; else the offline model",
    "AZURE_OPENAI_API_KEY": "Azure OpenAI models",
    "DEEPGRAM_API_KEY": "Deepgram hearing; else PocketSphinx",
    "ELEVENLABS_API_KEY": "ElevenLabs speaking; else espeak-ng",
    "LIVEKIT_API_KEY": "rooms of a LiveKit server",
    "LIVEKIT_API_SECRET": "rooms of a LiveKit server",
    "LANGSMITH_API_KEY": "LangSmith traces",
}


class Level(enum.StrEnum):
    OK = "ok"
    OPTIONAL = "-"
    MISSING = "MISSING"


class Finding(NamedTuple):
    level: Level
    what: str
    told: str


def examine(root: Path, env: Mapping[str, str], compose: Compose, *, running: bool) -> list[Finding]:
    """Look at everything; changes nothing. `running`: a native stack holds its ports now."""
    return [
        _python(),
        _uv(root),
        _redis(env),
        *_speech(),
        _rooms(env),
        _docker(compose),
        _program("promtool", "checks of Prometheus rules in make check"),
        _program("amtool", "checks of Alertmanager's files in make check"),
        *_ports(env, running=running),
        *(_key(name, about, env) for name, about in KEYS.items()),
    ]


def can_run(findings: list[Finding]) -> bool:
    return all(finding.level is not Level.MISSING for finding in findings)


def report(findings: list[Finding]) -> str:
    lines = [f"{finding.level:<8} {finding.what:<22} {finding.told}" for finding in findings]
    verdict = "All that is required is here." if can_run(findings) else "What is MISSING is required."
    return "\n".join([*lines, "", f"{verdict} '-' is optional."])


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = bootstrap.PYTHONS[0] <= sys.version_info[:2] < bootstrap.PYTHONS[1]
    return Finding(Level.OK if fits else Level.MISSING, "python", f"{version} at {sys.executable}")


def _uv(root: Path) -> Finding:
    path = bootstrap.find_uv(root / ".tools")
    if not path:
        return Finding(Level.MISSING, "uv", "make setup installs it into .tools")
    return Finding(Level.OK, "uv", f"{'.'.join(map(str, bootstrap.uv_version(path)))} at {path}")


def _redis(env: Mapping[str, str]) -> Finding:
    if env.get("REDIS_URL"):
        return Finding(Level.OK, "redis", "REDIS_URL is set: make up and make local use it")
    try:
        return Finding(Level.OK, "redis", str(find_redis(env)))
    except NoRedis as error:
        return Finding(Level.MISSING, "redis", str(error))


def _speech() -> list[Finding]:
    espeak = shutil.which("espeak-ng")
    wheel = importlib.util.find_spec("espeakng_loader") is not None
    voice = Finding(Level.OK, "espeak-ng", espeak or "from the espeakng-loader wheel")
    if not espeak and not wheel:
        voice = Finding(Level.MISSING, "espeak-ng", "sudo apt install espeak-ng, or make setup for the wheel")
    ears = importlib.util.find_spec("pocketsphinx") is not None
    hearing = Finding(Level.OK, "pocketsphinx", "installed")
    return [voice, hearing if ears else Finding(Level.MISSING, "pocketsphinx", "make setup installs it")]


def _rooms(env: Mapping[str, str]) -> Finding:
    choice = choose_rooms(env)
    if choice.possible:
        return Finding(Level.OK, "rooms", choice.told)
    go = f"Go is at {find_go(env)}" if find_go(env) else f"Go comes with the {GO_WHEEL} wheel"
    told = choice.told if env.get("LIVEKIT_URL") else f"{choice.told} ({go}). Without: the audio door only"
    return Finding(Level.OPTIONAL, "rooms", told)


def _docker(compose: Compose) -> Finding:
    reason = compose.why_not()
    told = f"{reason}: make up runs natively" if reason else "make up uses it"
    return Finding(Level.OPTIONAL if reason else Level.OK, "docker compose", told)


def _program(name: str, use: str) -> Finding:
    path = shutil.which(name)
    return Finding(Level.OK if path else Level.OPTIONAL, name, path or f"not found; for {use}")


def _ports(env: Mapping[str, str], *, running: bool) -> list[Finding]:
    if running:
        return [Finding(Level.OK, "ports", "held by the stack that runs")]
    table = (LIVEKIT_SERVICE, *SERVICES) if choose_rooms(env).server else SERVICES
    names = {service.port_name: service.port for service in table if service.port_name}
    try:
        ports = ports_of(env, {**names, "REDIS": DEFAULT_REDIS_PORT})
    except ValueError as error:
        return [Finding(Level.MISSING, "ports", str(error))]
    taken = [f"{port} (BOTEL_{name}_PORT)" for name, port in ports.items() if not is_free(port)]
    if taken:
        return [Finding(Level.MISSING, "ports", f"taken: {', '.join(taken)}")]
    return [Finding(Level.OK, "ports", " ".join(map(str, ports.values())) + " are free")]


def _key(name: str, about: str, env: Mapping[str, str]) -> Finding:
    there = bool(env.get(name))
    return Finding(Level.OK if there else Level.OPTIONAL, name, f"{'set' if there else 'not set'}: {about}")
