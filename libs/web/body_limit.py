"""Refuses a large body while it arrives, not after: at most the limit is ever held in memory."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.contracts.errors import TooLarge
from libs.web.problems import problem_response


class BodyLimit:
    """Past `max_bytes` of body: 413 at once when the length is announced, else as soon as the bytes exceed it."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced) > self._max_bytes:
            error = TooLarge(f"a body of {announced} bytes, {self._max_bytes} at most")
            await problem_response(error, scope.get("state", {}).get("request_id", ""))(scope, receive, send)
            return
        taken = 0

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_bytes:
                # The framework lets this one through from the middle of its body parsing, to the problem handlers.
                raise HTTPException(413)
            return message

        await self._app(scope, receive_counted, send)
