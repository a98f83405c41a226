"""Heads of requests have limits, and requests an end: a client that keeps neither costs nobody anything for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import libs.web.serve as serving_module
from libs.web.connection import MAX_HEAD_BYTES, MAX_HEADERS, impatient
from libs.web.serve import serve

WITHIN_S = 20


@pytest.fixture(autouse=True, params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """uvicorn's two: an image has the second unless it installs the first."""
    chosen: str = request.param
    monkeypatch.setattr(serving_module, "impatient", partial(impatient, h11_only=chosen == "h11"))
    return chosen


async def length_of_body(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@contextlib.asynccontextmanager
async def serving(request_s: float = 60.0) -> AsyncIterator[int]:
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    app = Starlette(routes=[Route("/{rest:path}", length_of_body, methods=["GET", "POST"])])
    task = asyncio.create_task(
        serve(app, host="127.0.0.1", port=0, stop=stop, request_s=request_s, on_bound=bound.set_result)
    )
    yield await bound
    stop.set()
    await task


async def answer(port: int, *parts: bytes) -> bytes:
    """All that the server says until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WITHIN_S):
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
            told = b""
            with contextlib.suppress(ConnectionError):
                while more := await reader.read(65_536):
                    told += more
            return told
    finally:
        writer.close()


def headers(count: int, size: int = 8) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (number, b"x" * size) for number in range(count))


HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"


async def test_a_head_within_the_limits_and_a_large_body_pass() -> None:
    async with serving() as port:
        assert (await answer(port, HEAD, headers(90), b"\r\n")).startswith(b"HTTP/1.1 200")
        body = b"x" * 300_000
        post = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n"
        assert (await answer(port, post, body)).endswith(b"\r\n\r\n300000")


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD, headers(MAX_HEADERS + 1), b"\r\n"],
        [HEAD, headers(MAX_HEADERS + 1) + b"Content-Length: 5\r\n\r\nhello"],
        [HEAD, *[b"X: " + b"x" * 30_000] * 4],
        [b"GET /" + b"y" * 40_000, b"y" * 40_000],
        [HEAD, *[headers(20, 2_000)] * 4],
    ],
    ids=["too many headers", "and a body", "a header without end", "an address without end", "large headers"],
)
async def test_a_head_past_the_limits_is_refused_before_anything_runs(parts: list[bytes], parser: str) -> None:
    if parser == "h11" and parts[1].count(b"\r\n") > MAX_HEADERS:
        parts = [HEAD, headers(MAX_HEADERS, 1_000)]  # it counts bytes, not headers
    async with serving() as port:
        told = await answer(port, *parts)
    assert told.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) or not told, (
        "a client that still writes may only see the close"
    )
    assert b" 200 " not in told
    assert sum(map(len, parts)) > MAX_HEAD_BYTES or parts[1].count(b"\r\n") > MAX_HEADERS


@pytest.mark.parametrize(
    "parts",
    [[], [b"GET / HT"], [HEAD], [b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhal"]],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_request_that_does_not_end_is_cut_off(parts: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    async with serving(request_s=0.05) as port:
        assert b" 200 " not in await answer(port, *parts)
    assert "request does not end, cut off" in caplog.text


async def test_two_requests_on_one_connection_each_have_their_time_and_their_head() -> None:
    first = b"GET / HTTP/1.1\r\nHost: h\r\n" + headers(60) + b"\r\n"
    async with serving() as port:
        told = await answer(port, first, HEAD + headers(60) + b"\r\n")
    assert told.count(b"HTTP/1.1 200 OK") == 2


async def test_an_empty_line_before_a_request_broke_the_connection(
    parser: str, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 9112, 2.2: httptools passes over it, and h11 answers 400. It may come alone, before anything of the head."""
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n")
        await writer.drain()
        assert b" 200 " in await answer(port, HEAD, b"\r\n"), "so the server has read the line by now"
        async with asyncio.timeout(WITHIN_S):
            if parser == "httptools":
                writer.write(HEAD + b"\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200 " if parser == "httptools" else b"HTTP/1.1 400 ")
        writer.close()
    assert "Fatal error" not in caplog.text
