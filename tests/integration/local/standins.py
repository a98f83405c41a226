"""Tables of stand-in services, and a launcher process that runs one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local import native
from deploy.local.services import BRAIN, Service

SCRIPT = str(Path("tests/servers/standin.py").resolve())


def standins(*, brain: str = "plain", text: str = "plain", grace_s: float = 10.0) -> tuple[Service, ...]:
    """A store, brains and a door, with a mode of tests/servers/standin.py each."""

    def service(name: str, mode: str, port_name: str = "", stage: int = 1, **env: str) -> Service:
        argv = (sys.executable, "-I", "-S", SCRIPT, "{port}", mode)
        return Service(
            name=name, argv=argv, port_name=port_name, redis_user=name, env=env, stage=stage, grace_s=grace_s
        )

    return (
        service("context_store", "plain", "STORE"),
        service(BRAIN, brain, NUMBER="{index}", DATA="{var}"),
        service("text_gateway", text, "TEXT", stage=2),
    )


async def launch(directory: Path, env: Mapping[str, str]) -> None:
    await native.run(directory, env, brains=2, free_ports=True, background=True, services=standins())


if __name__ == "__main__":
    asyncio.run(launch(Path(sys.argv[1]), os.environ))
