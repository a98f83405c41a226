"""The outermost middleware: an id for every request, and an answer whatever goes wrong inside."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.contracts.errors import BotelError
from libs.contracts.ids import is_id
from libs.web.problems import problem_response

HEADER = "X-Request-ID"
_log = logging.getLogger(__name__)


class RequestWatcher(Protocol):
    """Told of every finished request. `route` is the template (`/conversations/{id}`), never the path; '' for none."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None: ...


class RequestScope:
    """Gives `request.state.request_id`, answers an unexpected exception with a problem of status 500, and counts."""

    def __init__(self, app: ASGIApp, watcher: RequestWatcher | None = None) -> None:
        self._app = app
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if is_id(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status, begun = 0, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            _log.exception("request failed", extra={"request_id": request_id, "method": scope["method"]})
            if status:
                raise  # half an answer is out: the server cuts the connection, so that nobody takes it for a whole
            response = problem_response(BotelError("The server failed: report the request id."), request_id)
            await response(scope, receive, send_with_id)
        finally:
            if self._watcher:
                route = getattr(scope.get("route"), "path", "")
                self._watcher.answered(scope["method"], route, status, time.perf_counter() - begun)
