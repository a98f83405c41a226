import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge
from starlette.applications import Starlette

from libs.observability.health import Health, routes


async def works() -> None:
    return


async def fails() -> None:
    raise ConnectionError("redis://:secret@10.0.0.1 refused")


async def hangs() -> None:
    await asyncio.Event().wait()


def client(health: Health) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=Starlette(routes=routes(health)))
    return httpx.AsyncClient(transport=transport, base_url="http://health")


async def test_a_process_that_runs_is_healthy_even_when_not_ready() -> None:
    async with client(Health(CollectorRegistry(), {"redis": fails})) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503


async def test_ready_when_every_check_is() -> None:
    async with client(Health(CollectorRegistry(), {"redis": works, "store": works})) as http:
        answer = await http.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"redis": "ok", "store": "ok"}}


async def test_what_is_wrong_is_named_without_its_text() -> None:
    health = Health(CollectorRegistry(), {"redis": fails}, timeout_s=0.01)
    health.add("model", hangs)

    async with client(health) as http:
        answer = await http.get("/readyz")

    assert answer.json()["checks"] == {"redis": "ConnectionError", "model": "timeout"}
    assert "secret" not in answer.text


@pytest.mark.parametrize("checks", [{}, {"redis": works}])
async def test_a_draining_process_is_not_ready(checks: dict[str, object]) -> None:
    health = Health(CollectorRegistry(), checks)  # type: ignore[arg-type]
    health.drain()

    ready, told = await health.ready()

    assert not ready
    assert told["draining"] == "yes"


async def test_metrics_come_from_the_given_registry() -> None:
    registry = CollectorRegistry()
    Gauge("botel_something", "Something", registry=registry).set(4)

    async with client(Health(registry)) as http:
        answer = await http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "botel_something 4.0" in answer.text
