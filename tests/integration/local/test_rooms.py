"""The native stack's own LiveKit server: the real one, beside stand-ins for the services."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from livekit import api

from deploy.livekit.binary import find_livekit
from deploy.local.env import without_settings
from deploy.local.redis_server import find_redis
from deploy.local.rooms import with_livekit
from deploy.local.services import LIVEKIT
from deploy.local.stack import Stack
from tests.integration.local.standins import standins
from tests.servers.livekit import need_livekit

WAIT_S = 30.0


class Lines:
    """What the processes write, in order, and when something changes."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    def sink(self, name: str, line: str) -> None:
        self.all.append((name, line))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await self.changed.wait()
                self.changed.clear()


def stack(directory: Path, lines: Lines) -> Stack:
    voice = replace(standins()[-1], name="voice_gateway", port_name="VOICE", stage=1)
    return Stack(
        directory,
        env=without_settings(os.environ),
        redis=find_redis(),
        services=with_livekit((voice, *standins()), directory, find_livekit()),
        durable=False,
        sink=lines.sink,
        on_change=lines.changed.set,
    )


async def env_of(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=WAIT_S) as client:
        told: dict[str, Any] = (await client.get(f"{url}/env")).json()["env"]
        return told


async def rooms_of(env: dict[str, str]) -> int:
    """How many rooms the server has, asked with what a gateway was told; a refusal raises."""
    async with api.LiveKitAPI(env["LIVEKIT_URL"], env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"]) as server:
        return len((await server.room.list_rooms(api.ListRoomsRequest())).rooms)


async def test_gateways_reach_the_stacks_own_server_and_it_comes_back_with_the_same_keys(tmp_path: Path) -> None:
    need_livekit()
    lines = Lines()
    async with stack(tmp_path, lines) as running:
        text, voice = await env_of(running.text_url), await env_of(running.voice_url)
        assert await rooms_of(text) == await rooms_of(voice) == 0
        config = json.loads((tmp_path / "livekit.yaml").read_text())
        assert config["webhook"]["urls"] == [f"{running.text_url}/llm/voice/webhook"]
        for name in ("livekit.yaml", "livekit.keys"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600

        process = running.process(LIVEKIT)
        process.ready.clear()
        process.signal(signal.SIGKILL)
        await lines.until(lambda: process.deaths == 1 and process.ready.is_set())
        assert await rooms_of(text) == 0

    drained = lines.all.index(("voice_gateway", "drained"))
    assert any(name == LIVEKIT and "exit requested" in line for name, line in lines.all[drained:])
    assert not any("exit requested" in line for _, line in lines.all[:drained])


async def test_what_is_built_already_is_not_built_again(tmp_path: Path) -> None:
    program = tmp_path / "cache/botel/livekit/1.13.5/livekit-server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'livekit-server version 1.13.5'\n")
    program.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.livekit", "build"),
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": os.defpath},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()

    assert process.returncode == 0
    assert str(program).encode() in said
    assert b"sha256 " in said
