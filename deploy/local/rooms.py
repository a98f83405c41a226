"""Rooms for the native stack: a LiveKit server among its processes, and the gateways told of it.

LIVEKIT_URL set: that server is used, none is started. Else one is started if this machine has one. Else there are no
rooms, and everything else works as it does with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from deploy.livekit.binary import LiveKitBinary, NoLiveKit, find_livekit
from deploy.livekit.config import KEYS_FILE, kept_keys
from deploy.local.services import LIVEKIT, LIVEKIT_SERVICE, Service

SETTINGS = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
VOICE, TEXT = "voice_gateway", "text_gateway"
WEBHOOK = "http://127.0.0.1:{text_port}/llm/voice/webhook"


class Choice(NamedTuple):
    """Whose rooms are used: `told` says it, or why there are none, for people."""

    possible: bool
    told: str
    server: LiveKitBinary | None = None
    """To be started."""


class Rooms(NamedTuple):
    told: str
    services: Sequence[Service]


def choose_rooms(env: Mapping[str, str]) -> Choice:
    if env.get("LIVEKIT_URL"):
        missing = [name for name in SETTINGS if not env.get(name)]
        if missing:
            return Choice(False, f"LIVEKIT_URL is set, {' and '.join(missing)} not")
        return Choice(True, f"{env['LIVEKIT_URL']} (LIVEKIT_URL)")
    try:
        binary = find_livekit(env)
    except NoLiveKit as error:
        return Choice(False, str(error))
    return Choice(True, str(binary), binary)


def plan_rooms(services: Sequence[Service], env: Mapping[str, str], directory: Path) -> Rooms:
    """What is done about rooms, for people, and the table that does it. `directory`: the data of the stack."""
    if not any(service.name == VOICE for service in services):
        return Rooms("none: no voice gateway runs", services)
    choice = choose_rooms(env)
    if not choice.possible:
        return Rooms(f"none: {choice.told}", services)
    return Rooms(choice.told, with_livekit(services, directory, choice.server) if choice.server else services)


def with_livekit(
    services: Sequence[Service], directory: Path, server: LiveKitBinary | None = None
) -> tuple[Service, ...]:
    """The table with a LiveKit server in it, and with gateways that have its address and the keys in `directory`.

    `server`: the one of this machine if not given; `NoLiveKit` when there is none.
    """
    program = (server or find_livekit()).path
    directory.mkdir(parents=True, exist_ok=True)
    keys = kept_keys(directory / KEYS_FILE)
    values = (f"ws://127.0.0.1:{{{LIVEKIT}_port}}", keys.key, keys.secret)
    env = dict(zip(SETTINGS, values, strict=True))
    told = [replace(one, env={**one.env, **env}) if one.name in (VOICE, TEXT) else one for one in services]
    hooks = ("--webhook", WEBHOOK) if any(one.name == TEXT for one in services) else ()
    return (replace(LIVEKIT_SERVICE, argv=(*LIVEKIT_SERVICE.argv, "--server", program, *hooks)), *told)
