"""Images in the place of those that only a registry has, made of Debian's packages and of what this project builds.

They keep what docker-compose.yml and the Dockerfile rely on: the same users, directories, variables and commands. Their
Dockerfiles say what each stands for. Grafana has no package: it has no stand-in.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from deploy.verify.engine import ULIMITS, Engine
from deploy.verify.shell import Shell

HERE = Path(__file__).resolve().parent / "standins"
DEBIAN = "localhost/standin/debian:12"


class StandIn(NamedTuple):
    name: str
    """Of its Dockerfile."""
    tag: str
    variable: str
    """By which docker-compose.yml is told of it; '' for a base of others."""
    version: tuple[str, ...] = ()
    """The command that tells what is in it."""

    @property
    def image(self) -> str:
        return f"localhost/standin/{self.name}:{self.tag}"


# In the order of building.
STANDINS = (
    StandIn("python", "3.11", "PYTHON_IMAGE", ("python", "--version")),
    StandIn("uv", "0.13.9", "UV_IMAGE"),
    StandIn("servers", "12", ""),
    StandIn("redis", "debian", "REDIS_IMAGE", ("redis-server", "--version")),
    StandIn("postgres", "debian", "POSTGRES_IMAGE", ("postgres", "--version")),
    StandIn("prometheus", "debian", "PROMETHEUS_IMAGE", ("prometheus", "--version")),
    StandIn("alertmanager", "debian", "ALERTMANAGER_IMAGE", ("prometheus-alertmanager", "--version")),
    StandIn("livekit", "1.13.5", "LIVEKIT_IMAGE", ("/livekit-server", "--version")),
)


def make_all(engine: Engine, shell: Shell, work: Path, *, uv: str, livekit: str, mirror: str) -> dict[str, str]:
    """Make them; what docker-compose.yml is told. `uv`, `livekit`: programs that are copied into theirs."""
    rootfs = work / "rootfs"
    packages = "--include=ca-certificates"
    shell.run(["debootstrap", "--variant=minbase", packages, "bookworm", str(rootfs), mirror], timeout_s=900)
    # No daemon of a package is to start while it is installed.
    policy = rootfs / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    engine.import_root(rootfs, DEBIAN)
    shutil.rmtree(rootfs)
    context = work / "standins"
    shutil.copytree(HERE, context)
    shutil.copy(Path(uv).resolve(), context / "uv")
    shutil.copy(Path(livekit).resolve(), context / "livekit-server")
    for one in STANDINS:
        engine.build(context / f"{one.name}.Dockerfile", one.image, context)
    return {one.variable: one.image for one in STANDINS if one.variable}


def versions(engine: Engine) -> dict[str, str]:
    """What is inside, by name, as the programs say themselves."""
    told = {}
    for one in STANDINS:
        if one.version:
            program, *arguments = one.version
            alone = ("--rm", "--network", "none", *ULIMITS, "--entrypoint", program)
            out = engine.podman("run", *alone, one.image, *arguments)
            told[one.name] = out.strip().splitlines()[0]
    return told
