"""What a process answers its operator: /healthz (it runs), /readyz (it can work), /metrics.

A service with HTTP of its own mounts `routes(health)`; a worker runs `serve_health` as a task of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when the thing it looks at works; raises otherwise. The exception's type is shown, never its text."""


class Health:
    """The checks of a process, under names that operators see."""

    def __init__(
        self, registry: CollectorRegistry, checks: Mapping[str, Check] | None = None, *, timeout_s: float = 2.0
    ) -> None:
        self.registry = registry
        self._checks = dict(checks or {})
        self._timeout_s = timeout_s
        self._draining = False

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def drain(self) -> None:
        """Not ready from now on: the process is on its way out and finishes what it has."""
        self._draining = True

    async def ready(self) -> tuple[bool, dict[str, str]]:
        """Whether this process can work, and `ok` or what is wrong by check. All checks run side by side."""
        results = await asyncio.gather(*(self._run(check) for check in self._checks.values()))
        told = dict(zip(self._checks, results, strict=True))
        if self._draining:
            told["draining"] = "yes"
        return not self._draining and all(result == "ok" for result in results), told

    async def _run(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                await check()
        except TimeoutError:
            return "timeout"
        except Exception as error:
            log.debug("readiness check failed", exc_info=True)
            return type(error).__name__
        return "ok"


def routes(health: Health) -> list[Route]:
    """/healthz, /readyz and /metrics, to `app.router.routes.extend(...)` a Starlette or FastAPI application with."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        ready, checks = await health.ready()
        body = {"status": "ready" if ready else "not ready", "checks": checks}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        # Collectors may read files of the platform: off the loop.
        body = await asyncio.to_thread(generate_latest, health.registry)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


class _Server(uvicorn.Server):
    """Leaves the signals to the process that it runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; `OSError` when the port is taken. Port 0: any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock


async def serve_health(
    health: Health,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_bound: Callable[[int], None] | None = None,
) -> None:
    """Serve the routes until cancelled, then close. `on_bound` is told the port once it listens; `OSError` if taken."""
    sock = listen(host, port)
    bound: int = sock.getsockname()[1]
    log.info("health server listens", extra={"port": bound})
    if on_bound:
        on_bound(bound)
    app = Starlette(routes=routes(health))
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        server.force_exit = True
        await serving
        raise
    finally:
        sock.close()
