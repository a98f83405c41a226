"""A sink for LangSmith's client: takes what it sends and keeps it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.asgi import serving


class Sink:
    """`bodies` holds every request's path, API key and body."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, str, bytes]] = []
        self.url = ""
        self.app = Starlette(
            routes=[
                Route("/info", self._info),
                Route("/{path:path}", self._take, methods=["POST", "PATCH"]),
            ]
        )

    async def _info(self, request: Request) -> Response:
        limits = {
            "use_multipart_endpoint": True,
            "scale_up_nthreads_limit": 4,
            "scale_up_qsize_trigger": 1_000,
            "scale_down_nempty_trigger": 4,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
        }
        return JSONResponse({"version": "0.0.0", "batch_ingest_config": limits, "instance_flags": {}})

    async def _take(self, request: Request) -> Response:
        self.bodies.append((request.url.path, request.headers.get("x-api-key", ""), await request.body()))
        return JSONResponse({}, status_code=202)

    def text(self) -> str:
        return b"\n".join(body for _, _, body in self.bodies).decode(errors="replace")


@contextlib.asynccontextmanager
async def running_sink() -> AsyncIterator[Sink]:
    sink = Sink()
    async with serving(sink.app) as sink.url:
        yield sink
