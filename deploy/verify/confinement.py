"""What a running container may do, asked from inside and of podman."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.verify.engine import Engine
from deploy.verify.stack import Container

# A process of the container's own user: who it is, what it may, and what happens when it writes.
_ASK = """
id -u
grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status
for place in / /app /etc /run /var/tmp; do [ -d $place ] && touch $place/written 2>/dev/null && echo wrote $place; done
touch /tmp/written && echo wrote /tmp && rm /tmp/written
"""


def faults(engine: Engine, container: Container) -> list[str]:
    """What a container may do and should not; [] when it is as confined as docker-compose.yml says."""
    told = engine.podman("exec", container.name, "sh", "-c", f"{_ASK}\ntrue").split("\n")
    ports = engine.podman("port", container.name).splitlines()
    return [*of_inside(told), *of_limits(container), *of_ports(ports)]


def of_inside(told: list[str]) -> Iterator[str]:
    if told[0] == "0":
        yield "runs as root"
    marks = dict(line.split(":", 1) for line in told if ":" in line)
    for name, wanted in (("CapEff", 0), ("CapBnd", 0), ("NoNewPrivs", 1)):
        if int(marks.get(name, "-1"), 16) != wanted:
            yield f"{name} is {marks.get(name, 'unknown').strip()}"
    wrote = [line.removeprefix("wrote ") for line in told if line.startswith("wrote ")]
    yield from (f"can write to {place}" for place in wrote if place != "/tmp")
    if "/tmp" not in wrote:
        yield "cannot write to /tmp"


def of_limits(container: Container) -> Iterator[str]:
    host = container.settings["HostConfig"]
    if host["Memory"] <= 0:
        yield "has no limit of memory"
    if host["PidsLimit"] <= 0:
        yield "has no limit of processes"
    if not host["ReadonlyRootfs"]:
        yield "has a root that can be written to"


def of_ports(lines: list[str]) -> Iterator[str]:
    """Of lines like `8080/tcp -> 127.0.0.1:21080`."""
    for line in lines:
        if not line.rpartition("-> ")[2].startswith("127.0.0.1:"):
            yield f"publishes {line}"
