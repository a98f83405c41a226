"""docker-compose.yml on podman, by podman-compose: the file as it is, and podman.yml beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deploy.verify.engine import Engine
from deploy.verify.shell import Shell, VerificationFailed, until

PODMAN_COMPOSE = "1.6.0"
PROJECT = "botel"
OVERRIDE = Path(__file__).resolve().parent / "podman.yml"
STORES = ("redis", "postgres")
SERVICES = (*STORES, "livekit", "context_store", "brain", "voice_gateway", "text_gateway", "prometheus", "alertmanager")
"""All but Grafana, which has no stand-in."""
HEALTHY_S = 120.0


class Container(NamedTuple):
    name: str
    service: str
    image: str
    settings: Mapping[str, Any]
    """As podman inspects it."""


class ContainerStack:
    """`env`: what docker-compose.yml is filled in with."""

    def __init__(self, engine: Engine, shell: Shell, work: Path, uv: str, env: Mapping[str, str]) -> None:
        self.engine = engine
        self.env = dict(env)
        self._shell = shell
        podman, uv_settings = work / "podman", work / "uv.toml"
        engine.write_podman(podman)
        # What the machine trusts, for an index behind a proxy. Mounted while building: not in the image.
        uv_settings.write_text("native-tls = true\n")
        mounts = f"-v {uv_settings}:/etc/uv/uv.toml:ro -v /etc/ssl/certs:/etc/ssl/certs:ro"
        self._compose = [
            *(uv, "tool", "run", f"podman-compose=={PODMAN_COMPOSE}", "--podman-path", str(podman)),
            f"--podman-build-args={mounts}",
            # As Docker: what is read-only has no writable /run either.
            "--podman-run-args=--read-only-tmpfs=false",
            *("-f", "docker-compose.yml", "-f", str(OVERRIDE)),
            *("--profile", "voice", "--profile", "observability"),
        ]

    def compose(self, *arguments: str, timeout_s: float = 300.0) -> str:
        return self._shell.run([*self._compose, *arguments], env=self.env, timeout_s=timeout_s)

    def build(self) -> None:
        self.compose("build", timeout_s=1_800)

    def up(self, brains: int) -> float:
        """Start everything and wait until it is healthy; the longest wait, in seconds.

        In two steps: this podman cannot wait for `service_healthy`, and podman-compose goes on without.
        """
        self.compose("up", "--detach", "--no-build", *STORES)
        waited = self.healthy(STORES)
        rest = [name for name in SERVICES if name not in STORES]
        self.compose("up", "--detach", "--no-build", "--scale", f"brain={brains}", *rest)
        return waited + self.healthy(SERVICES)

    def scale(self, brains: int) -> None:
        wanted = f"brain={brains}"
        self.compose("up", "--detach", "--no-build", "--no-recreate", "--no-deps", "--scale", wanted, "brain")
        self.healthy(("brain",))

    def down(self) -> None:
        """As `docker compose down`: containers go, volumes stay."""
        self.compose("down")
        # podman-compose leaves brains beyond the first, and what those depend on.
        for container in reversed(self.containers()):
            self.engine.podman("rm", "--force", "--time", "40", container.name, timeout_s=120)

    def containers(self, *services: str) -> list[Container]:
        """Those that are there, of these services or of all."""
        label = f"label=io.podman.compose.project={PROJECT}"
        names = self.engine.podman("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()
        if not names:
            return []
        found = []
        for settings in json.loads(self.engine.podman("container", "inspect", *names)):
            service = settings["Config"]["Labels"]["com.docker.compose.service"]
            if not services or service in services:
                found.append(Container(settings["Name"], service, settings["ImageName"], settings))
        return sorted(found, key=lambda container: SERVICES.index(container.service))

    def healthy(self, services: tuple[str, ...]) -> float:
        """Wait until the health check of each container passes; seconds that it took.

        There is no systemd here that would run podman's checks by the clock: they are run by hand, as they are defined.
        """
        waiting = self.containers(*services)
        if {container.service for container in waiting} != set(services):
            raise VerificationFailed(f"not all of {', '.join(services)} were started")
        started = time.monotonic()

        def all_pass() -> bool:
            nonlocal waiting
            waiting = [one for one in waiting if self.engine.try_podman("healthcheck", "run", one.name).code]
            return not waiting

        try:
            until(all_pass, HEALTHY_S, "healthy")
        except VerificationFailed as error:
            logs = [self.engine.try_podman("logs", "--tail", "8", one.name) for one in waiting]
            text = "\n".join(log.out + log.err for log in logs)
            raise VerificationFailed(f"{error}: {', '.join(one.name for one in waiting)}\n{text}") from error
        return time.monotonic() - started
