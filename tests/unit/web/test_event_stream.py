"""Server-sent events: frames, heartbeats, the resume point, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from libs.contracts.errors import InvalidRequest
from libs.web.event_stream import HEARTBEAT, EventStream, frame, kept_alive, resume_point

NEVER_S = 3_600.0


class Source:
    """Frames as a test gives them; knows whether it was closed."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = False

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            while (one := await self.queue.get()) is not None:
                yield one
        finally:
            self.closed = True


def test_a_frame() -> None:
    assert frame("end", b'{"a":1}', 7) == b'id: 7\nevent: end\ndata: {"a":1}\n\n'
    assert frame("chunk", b"{}") == b"event: chunk\ndata: {}\n\n"


@pytest.mark.parametrize(
    ("header", "number"), [(None, 0), ("", 0), ("0", 0), ("17", 17), ("999999999999999", 10**15 - 1)]
)
def test_resume_point(header: str | None, number: int) -> None:
    assert resume_point(header) == number


@pytest.mark.parametrize("header", ["-1", "1.5", "abc", " 1", "1-0", "٣", "1" * 16, "null"])
def test_no_resume_point(header: str) -> None:
    with pytest.raises(InvalidRequest, match="Last-Event-ID"):
        resume_point(header)


async def test_frames_pass_and_the_end_is_the_end() -> None:
    source = Source()
    for one in (b"1", b"2", None):
        source.queue.put_nowait(one)

    got = [one async for one in kept_alive(source.frames(), every_s=NEVER_S, closing=asyncio.Event())]

    assert got == [b"1", b"2"]
    assert source.closed


async def test_silence_is_broken_by_heartbeats_and_no_frame_is_lost_to_them() -> None:
    source = Source()
    stream = kept_alive(source.frames(), every_s=0.001, closing=asyncio.Event())

    first, second = await anext(stream), await anext(stream)
    source.queue.put_nowait(b"1")
    after = first
    while after == HEARTBEAT:
        after = await anext(stream)

    assert (first, second, after) == (HEARTBEAT, HEARTBEAT, b"1")
    await stream.aclose()
    assert source.closed


async def test_it_ends_when_the_server_closes() -> None:
    source, closing = Source(), asyncio.Event()
    stream = kept_alive(source.frames(), every_s=NEVER_S, closing=closing)
    waiting = asyncio.ensure_future(anext(stream, None))
    await asyncio.wait({waiting}, timeout=0)

    closing.set()

    async with asyncio.timeout(5):
        assert await waiting is None
    assert source.closed


async def test_an_error_of_the_source_comes_through() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"1"
        raise RuntimeError("broken")

    stream = kept_alive(broken(), every_s=NEVER_S, closing=asyncio.Event())

    assert await anext(stream) == b"1"
    with pytest.raises(RuntimeError, match="broken"):
        await anext(stream)


async def test_close_is_told_even_when_the_client_was_gone_before_it_began() -> None:
    source, closed = Source(), asyncio.Event()
    response = EventStream(source.frames(), closed.set)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        raise OSError

    with pytest.raises(Exception):  # noqa: B017 - whatever the framework makes of a dead client
        await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)

    assert closed.is_set()
