"""Serving: what runs beside the server shares its fate, and a process ends in good order."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys

import httpx
import pytest
from starlette.applications import Starlette

from deploy.local.ports import free_port
from libs.web.serve import serve
from tests.eventually import eventually


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_fails_beside_it_ends_it_with_its_error() -> None:
    async def fails() -> None:
        raise LookupError("the consumer died")

    async with asyncio.timeout(10):
        with pytest.raises(LookupError, match="consumer"):
            await serve(Starlette(), host="127.0.0.1", port=0, stop=asyncio.Event(), beside=[forever, fails])


async def test_what_just_ends_beside_it_is_an_error_too() -> None:
    async def ends() -> None:
        return

    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="has ended"):
            await serve(Starlette(), host="127.0.0.1", port=0, stop=asyncio.Event(), beside=[ends])


async def test_a_stop_ends_everything_and_frees_the_port() -> None:
    stop, ended, ports = asyncio.Event(), asyncio.Event(), list[int]()

    async def beside() -> None:
        try:
            await forever()
        finally:
            ended.set()

    async with asyncio.timeout(10):
        for _ in range(2):
            stop.clear()
            serving = asyncio.create_task(
                serve(
                    Starlette(),
                    host="127.0.0.1",
                    port=ports[0] if ports else 0,
                    stop=stop,
                    beside=[beside],
                    on_bound=lambda port: (ports.append(port), stop.set())[0],  # type: ignore[func-returns-value]
                )
            )
            await serving
            assert ended.is_set()
    assert ports[0] == ports[1]


SERVICES = {"text_gateway": "BOTEL_TEXT", "context_store": "BOTEL_STORE"}


async def _start(service: str, **env: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}",
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_in_good_order_when_asked(
    service: str, number: signal.Signals, redis_url: str, tmp_path: object
) -> None:
    port = free_port()
    prefix = SERVICES[service]
    env = {f"{prefix}_PORT": str(port), "BOTEL_STORE_PATH": f"{tmp_path}/store.sqlite3"}
    process = await _start(service, REDIS_URL=redis_url, BOTEL_API_KEY="development", **env)

    async def ready() -> bool:
        assert process.returncode is None
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        await eventually(ready, within_s=30)
        process.send_signal(number)
        async with asyncio.timeout(15):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("host", "keys", "told"),
    [
        ("0.0.0.0", {"BOTEL_API_KEY": "dev-secret"}, b"development key"),
        ("127.0.0.1", {}, b"no API key"),
        ("127.0.0.1", {"BOTEL_API_KEYS": f"harbour;{hashlib.sha256(b'x').hexdigest()}"}, b"BOTEL_API_KEYS"),
    ],
    ids=["development key beyond loopback", "no key", "malformed keys"],
)
async def test_keys_that_cannot_be_served_with_end_it_with_one_line(
    service: str, host: str, keys: dict[str, str], told: bytes, tmp_path: object
) -> None:
    env = {f"{SERVICES[service]}_HOST": host, "BOTEL_STORE_PATH": f"{tmp_path}/store.sqlite3"}
    process = await _start(service, **{f"{SERVICES[service]}_PORT": "0"}, **env, **keys)

    async with asyncio.timeout(30):
        _, err = await process.communicate()

    assert process.returncode == 1
    assert told in err
    assert b"Traceback" not in err
    assert b"dev-secret" not in err
