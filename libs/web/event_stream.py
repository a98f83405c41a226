"""Server-sent events: frames, heartbeats, the resume point, and an end when the server closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from libs.contracts.errors import InvalidRequest

HEARTBEAT = b": \n\n"
_MAX_NUMBER_DIGITS = 15


class EventStream(StreamingResponse):
    """A `text/event-stream` response that no proxy should hold back.

    `on_close` is called once it is over, also when the client was gone before it began.
    """

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], on_close: Callable[[], None]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_close()


def frame(event: str, data: bytes, number: int | None = None) -> bytes:
    """One event. `data` is JSON on one line; `number` becomes the id that a client sends back to resume."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: ".encode() + data + b"\n\n"


def resume_point(last_event_id: str | None) -> int:
    """The event number in `Last-Event-ID`; 0 without one; `InvalidRequest` for anything that we never sent."""
    if not last_event_id:
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= _MAX_NUMBER_DIGITS):
        raise InvalidRequest("Last-Event-ID: an event number")
    return int(last_event_id)


async def kept_alive(
    frames: AsyncGenerator[bytes, None], *, every_s: float, closing: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """The frames, with a comment whenever nothing came for `every_s`; ends early when the server is closing."""
    closed = asyncio.create_task(closing.wait())
    following: asyncio.Future[bytes] | None = None
    try:
        while not closing.is_set():
            following = following or asyncio.ensure_future(anext(frames))
            waiting: tuple[asyncio.Future[Any], ...] = (following, closed)
            done, _ = await asyncio.wait(waiting, timeout=every_s, return_when=asyncio.FIRST_COMPLETED)
            if following in done:
                ready, following = following, None
                try:
                    yield ready.result()
                except StopAsyncIteration:
                    return
            elif not done:
                yield HEARTBEAT
    finally:
        closed.cancel()
        if following:
            following.cancel()
            await asyncio.wait({following})
        await frames.aclose()
