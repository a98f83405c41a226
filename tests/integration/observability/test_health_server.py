import asyncio
import signal

import httpx
import pytest
from prometheus_client import CollectorRegistry

from libs.observability.health import Health, listen, serve_health


async def test_serves_until_cancelled_and_gives_the_port_back() -> None:
    bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    before = signal.getsignal(signal.SIGTERM)
    serving = asyncio.create_task(serve_health(Health(CollectorRegistry()), on_bound=bound.set_result))
    async with asyncio.timeout(10), httpx.AsyncClient() as http:
        port = await bound
        answer = await http.get(f"http://127.0.0.1:{port}/readyz")
        assert signal.getsignal(signal.SIGTERM) is before
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    assert answer.status_code == 200
    listen("127.0.0.1", port).close()


async def test_a_taken_port_is_an_error_at_once() -> None:
    taken = listen("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            await serve_health(Health(CollectorRegistry()), port=taken.getsockname()[1])
    finally:
        taken.close()
