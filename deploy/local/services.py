"""The table of services that the native stack runs: what each is called with, and how one sees that it is ready.

In `argv` and `env`, names in braces are filled in: {port} and {index} of the process, {var} the data directory,
{api_key} the development key, and a port of another service as {text_port}, {store_port}, {voice_port},
{livekit_port}.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.local.process import LONGEST_PAUSE_S

REDIS = "redis"
BRAIN = "brain"
GATEWAYS_END, BRAINS_END, SERVERS_END = range(3)
"""What is said to guests while a gateway drains, brains still have to answer, and servers have to carry."""
LIVEKIT = "livekit"


@dataclass(frozen=True, kw_only=True)
class Service:
    name: str
    argv: tuple[str, ...]
    port_name: str = ""
    """Name of its port among those the user may fix, as in BOTEL_TEXT_PORT; '' for any free port."""
    port: int = 0
    """The port when the user names none."""
    env: Mapping[str, str] = field(default_factory=dict)
    redis_user: str = ""
    """As whom it enters Redis, of libs.bus.access; '' for what does not use it."""
    ready_path: str = "/readyz"
    stage: int = 1
    """A stage is started when every process of the one before is ready."""
    ends: int = BRAINS_END
    """Processes of the lowest number are ended first, all at once; the next when those are gone."""
    grace_s: float = 20.0
    longest_pause_s: float = LONGEST_PAUSE_S
    """Before it is started again when it has died."""


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"services.{name}")


SERVICES: tuple[Service, ...] = (
    Service(
        name="context_store",
        redis_user="context_store",
        argv=_module("context_store"),
        port_name="STORE",
        port=8081,
        env={"BOTEL_STORE_PORT": "{port}", "BOTEL_STORE_PATH": "{var}/store.sqlite3"},
    ),
    Service(
        name=BRAIN,
        redis_user="brain",
        argv=_module("brain"),
        env={
            "BOTEL_HEALTH_PORT": "{port}",
            "BOTEL_HOTEL_PATH": "{var}/hotel.sqlite3",
            "BRAIN_STORE_URL": "http://127.0.0.1:{store_port}",
            "BRAIN_STORE_KEYS": "harbour:{api_key}",
        },
        grace_s=35.0,
    ),
    Service(
        name="voice_gateway",
        redis_user="voice_gateway",
        argv=_module("voice_gateway"),
        port_name="VOICE",
        port=8082,
        env={"BOTEL_VOICE_PORT": "{port}"},
        ends=GATEWAYS_END,
        # It drains for 20 s, and then its jobs leave their calls.
        grace_s=40.0,
    ),
    Service(
        name="text_gateway",
        redis_user="text_gateway",
        argv=_module("text_gateway"),
        port_name="TEXT",
        port=8080,
        env={"BOTEL_TEXT_PORT": "{port}"},
        ends=GATEWAYS_END,
        grace_s=30.0,
    ),
)
"""The real ones. Tests give a table of their own."""

LIVEKIT_SERVICE = Service(
    name=LIVEKIT,
    argv=(sys.executable, "-m", "deploy.livekit", "serve", "--port", "{port}", "--data", "{var}"),
    port_name="LIVEKIT",
    port=7880,
    ready_path="/",
    stage=0,
    ends=SERVERS_END,
    # Asked to end it waits for guests to hang up; the gateways have ended their calls by then.
    grace_s=3.0,
)
"""In the table where this machine has a server: see deploy.local.rooms."""

EVERY_PROCESS: Mapping[str, str] = {
    "PYTHONUNBUFFERED": "1",
}
"""Given to every process besides its own."""
