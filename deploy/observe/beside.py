"""A Prometheus among the processes of a native stack.

    services = with_prometheus(SERVICES, directory, find_prometheus())
    async with Stack(directory, services=services, on_change=lambda: tell(directory, stack.rows()), ...) as stack:
        ...  # PrometheusClient(stack.url(PROMETHEUS))

Without one on this machine everything else works as it does with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.local.services import SERVERS_END, Service
from deploy.local.stack import Row
from deploy.observe.binary import NoPrometheus, PrometheusBinary, find_prometheus
from deploy.observe.config import CONFIG_FILE, jobs, write_config
from deploy.observe.targets import write_targets

NAME = "prometheus"
PROMETHEUS = "PROMETHEUS"
"""Name of its port: BOTEL_PROMETHEUS_PORT, else any free one, since a Prometheus of the machine's own may hold 9090."""
KEPT_DAYS = 7
KEPT_BYTES = "512MB"


class Plan(NamedTuple):
    told: str
    """What is started, or why nothing is, for people."""
    services: Sequence[Service]
    planned: bool


def plan_prometheus(services: Sequence[Service], env: Mapping[str, str], directory: Path) -> Plan:
    """The table with a Prometheus in it if this machine has one. `directory`: the data of the stack."""
    if not any(service.name in jobs() for service in services):
        return Plan("none: nothing runs that it would look at", services, False)
    try:
        binary = find_prometheus(env)
    except NoPrometheus as error:
        return Plan(f"none: {error}", services, False)
    return Plan(str(binary), with_prometheus(services, directory, binary), True)


def with_prometheus(
    services: Sequence[Service],
    directory: Path,
    binary: PrometheusBinary,
    *,
    scrape_s: float | None = None,
    evaluation_s: float | None = None,
) -> tuple[Service, ...]:
    """The table with it, its configuration written. Intervals in seconds; None: as shipped."""
    home = _home(directory)
    write_config(home, scrape_s=scrape_s, evaluation_s=evaluation_s)
    service = Service(
        name=NAME,
        argv=(
            binary.path,
            f"--config.file={home / CONFIG_FILE}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--storage.tsdb.retention.time={KEPT_DAYS}d",
            f"--storage.tsdb.retention.size={KEPT_BYTES}",
            "--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ),
        port_name=PROMETHEUS,
        ready_path="/-/ready",
        stage=0,
        ends=SERVERS_END,
    )
    return (service, *services)


def tell(directory: Path, rows: Iterable[Row]) -> None:
    """The processes that run now; call it whenever the stack changes. `directory`: the data of the stack."""
    write_targets(_home(directory), rows)


def _home(directory: Path) -> Path:
    return (directory / NAME).resolve()
