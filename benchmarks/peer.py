"""The peer: the same work behind plain HTTP, FastAPI on uvicorn. `python -m benchmarks.peer PORT`.

It decodes the very message that the bus carries with the same codec and answers the very same reply. Models of
pydantic, which a FastAPI service would rather use, cost more. Nothing here is kept, ordered, fenced or repeatable.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from benchmarks import work
from benchmarks.control import serve
from libs.contracts.codec import decode, encode
from libs.contracts.events import MessageReceived
from libs.process import run

app = FastAPI()


@app.post("/answer")
async def answer(request: Request) -> Response:
    asked = _message(await request.body())
    text = "".join([token async for token in work.tokens()])
    return Response(encode(work.reply(asked, text)), media_type="application/json")


@app.post("/stream")
async def stream(request: Request) -> Response:
    return StreamingResponse(_events(_message(await request.body())), media_type="text/event-stream")


async def _events(asked: MessageReceived) -> AsyncGenerator[bytes, None]:
    """A chunk per token, then the whole reply, as the bus sends both."""
    text = ""
    async for token in work.tokens():
        text += token
        yield b"event: chunk\ndata: " + msgspec.json.encode(token) + b"\n\n"
    yield b"event: reply\ndata: " + encode(work.reply(asked, text)) + b"\n\n"


def _message(body: bytes) -> MessageReceived:
    asked = decode(body)
    assert isinstance(asked, MessageReceived)
    return asked


async def main(port: int) -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False))
    serving = asyncio.create_task(server.serve())
    await serve({})
    server.should_exit = True
    await serving


if __name__ == "__main__":
    run(main(int(sys.argv[1])))
