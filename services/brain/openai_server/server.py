"""The ASGI application, with knobs for what a provider does on a bad day."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from services.brain.offline.transcript import Plan
from services.brain.openai_server import protocol
from services.brain.openai_server.protocol import Again

MAX_BODY_BYTES = 4_000_000


@dataclass(slots=True)
class Knobs:
    """Changed at any time; each request reads them when it begins. Durations are seconds."""

    first_token_s: float = 0.0
    token_s: float = 0.0
    fail: int = 0
    """So many requests fail, beginning with the next."""
    fail_status: int = 500
    cut_after: int = 0
    """Break the connection after so many words of an answer; 0: never."""
    hang_after: int = 0
    """Stop talking after so many words, without ending; 0: never."""
    piece_chars: int = 0
    """Send an answer in pieces of so many characters, through the middle of words; 0: word by word."""
    again: Again = field(default_factory=Again)
    """How an answer that was cut off is gone on with."""


@dataclass(slots=True)
class Seen:
    """What the server has seen."""

    requests: int = 0
    open: int = 0
    gone: int = 0
    """Streams whose client went away."""
    clients: set[tuple[str, int]] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a stream has begun."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client goes away in the middle of a stream."""


class Cut(Exception):
    """The connection is broken on purpose."""


class LocalOpenAI:
    """`app` serves /v1/chat/completions, Azure's path for it, /v1/models and /healthz."""

    def __init__(self, knobs: Knobs | None = None, *, keep: int = 100) -> None:
        self.knobs = knobs or Knobs()
        self.seen = Seen()
        self._keep = keep
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/openai/deployments/{deployment}/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/healthz", self._healthz),
            ]
        )

    async def _chat(self, request: Request) -> Response:
        self.seen.requests += 1
        if request.client:
            self.seen.clients.add((request.client.host, request.client.port))
        if self.knobs.fail > 0:
            self.knobs.fail -= 1
            return _problem(self.knobs.fail_status, "server_error", "failing as asked")
        raw = await request.body()
        if len(raw) > MAX_BODY_BYTES:
            return _problem(413, "invalid_request_error", "body too large")
        try:
            body = json.loads(raw)
            plan, calls = protocol.plan_of(body, self.knobs.again)
        except ValueError as error:
            return _problem(400, "invalid_request_error", str(error))
        self.seen.bodies = [*self.seen.bodies[1 - self._keep :], body]
        model = str(body.get("model", "offline-concierge"))
        usage = protocol.usage_of(body, plan)
        if body.get("stream"):
            want_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = self._events(model, plan, calls, usage if want_usage else None)
            return StreamingResponse(events, media_type="text/event-stream")
        await asyncio.sleep(self.knobs.first_token_s)
        return JSONResponse(protocol.completion(model, plan, calls, usage))

    async def _events(self, model: str, plan: Plan, calls: int, usage: dict[str, Any] | None) -> AsyncIterator[bytes]:
        knobs, ended = self.knobs, False
        self.seen.open += 1
        self.seen.begun.set()
        try:
            await asyncio.sleep(knobs.first_token_s)
            for count, delta in enumerate(protocol.deltas(plan, calls, knobs.piece_chars)):
                if knobs.cut_after and count > knobs.cut_after:
                    ended = True
                    raise Cut
                if knobs.hang_after and count > knobs.hang_after:
                    await asyncio.Event().wait()
                yield protocol.event(model, delta)
                await asyncio.sleep(knobs.token_s)
            yield protocol.event(model, None, protocol.finish_of(plan))
            if usage:
                yield protocol.usage_event(model, usage)
            yield protocol.DONE
            ended = True
        finally:
            self.seen.open -= 1
            if not ended:
                self.seen.gone += 1
                self.seen.left.set()

    async def _models(self, request: Request) -> Response:
        model = {"id": "offline-concierge", "object": "model", "created": 0, "owned_by": "local"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})


def _problem(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind, "code": None}}, status_code=status)
