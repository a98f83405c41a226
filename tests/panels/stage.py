"""The native stack with a Prometheus that has the shipped rules, and LiveKit where there is one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from deploy.livekit.binary import NoLiveKit, find_livekit
from deploy.local.env import without_settings
from deploy.local.redis_server import find_redis
from deploy.local.rooms import with_livekit
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from deploy.observe.beside import PROMETHEUS, tell, with_prometheus
from deploy.observe.binary import PrometheusBinary
from deploy.observe.client import PrometheusClient
from tests.panels.asking import SCRAPE_S
from tests.rooms.calls import KEY
from tests.servers.users import HARNESS_USER

BRAINS = 3
DEADLINE_S = 10
"""Of a written turn; a caller hears an apology a little earlier."""
_ENV = {
    "BOTEL_API_KEY": KEY,
    "BOTEL_LOG_FORMAT": "json",
    "BOTEL_STT": "local",
    "BOTEL_TTS": "local",
    # A model that takes a moment, so that fillers are due and turns are met in mid-reply.
    "BRAIN_OFFLINE_FIRST_TOKEN_S": "0.5",
    "BRAIN_OFFLINE_TOKEN_S": "0.04",
    "BRAIN_PMS_LATENCY_S": "2",
    "BRAIN_PRICE_INPUT": "400",
    "BRAIN_PRICE_OUTPUT": "1600",
    "BOTEL_CALL_FILLER_S": "0.4",
    "BOTEL_CALL_FIRST_WORDS_S": f"{DEADLINE_S - 1}",
    "BOTEL_TEXT_TURN_DEADLINE_MS": f"{DEADLINE_S * 1000}",
}


class Observed(NamedTuple):
    stack: Stack
    prometheus: PrometheusClient
    rooms: bool
    """Whether there is a LiveKit server."""


@contextlib.asynccontextmanager
async def observed_stack(folder: Path, binary: PrometheusBinary) -> AsyncIterator[Observed]:
    """Everything that this machine can run, watched every SCRAPE_S."""
    kept = {name: value for name, value in os.environ.items() if name == "BOTEL_LIVEKIT_SERVER"}
    env = {**without_settings(os.environ), **kept, **_ENV}
    services, rooms = SERVICES, False
    with contextlib.suppress(NoLiveKit):
        services, rooms = tuple(with_livekit(SERVICES, folder, find_livekit())), True
    services = with_prometheus(services, folder, binary, scrape_s=SCRAPE_S)
    changed: list[Stack] = []

    def told() -> None:
        for one in changed:
            tell(folder, one.rows())

    stack = Stack(
        folder,
        env=env,
        redis=find_redis(env),
        brains=BRAINS,
        services=services,
        on_change=told,
        more_users=[HARNESS_USER],
    )
    async with stack:
        changed.append(stack)
        told()
        async with PrometheusClient(stack.url(PROMETHEUS)) as prometheus:
            yield Observed(stack, prometheus, rooms)
