"""The peer: the same work behind plain HTTP, FastAPI on uvicorn with uvloop and httptools.

`python -m benchmarks.peer PORT`. The same JSON goes in and comes out as on the bus. `/answer` is written as FastAPI's
own pages teach it, with models; `/lean` goes past them, with the bus's codec on the raw body. Nothing here is kept,
ordered, fenced or repeatable.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from benchmarks import work
from benchmarks.control import serve
from libs.contracts.codec import decode, encode
from libs.contracts.events import MessageReceived
from libs.process import run

app = FastAPI()


class Question(BaseModel):
    """The fields of an encoded `message.received`."""

    type: str
    id: str
    time_ms: int
    property_id: str
    conversation_id: str
    author: str
    channel: str
    turn_id: str
    text: str


class Answer(BaseModel):
    """The fields of an encoded `reply.generated`."""

    type: str
    id: str
    time_ms: int
    property_id: str
    conversation_id: str
    author: str
    channel: str
    turn_id: str
    text: str
    status: str


@app.post("/answer")
async def answer(question: Question) -> Answer:
    text = "".join([token async for token in work.tokens()])
    return Answer(
        type="reply.generated",
        id=f"{question.turn_id}.reply",
        time_ms=work.now_ms(),
        property_id=question.property_id,
        conversation_id=question.conversation_id,
        author="concierge",
        channel=question.channel,
        turn_id=question.turn_id,
        text=text,
        status="finished",
    )


@app.post("/lean")
async def lean(request: Request) -> Response:
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
    # Connections are kept longer than its client keeps them: neither closes one that the other is about to use.
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http="httptools", log_level="warning", access_log=False, timeout_keep_alive=600)
    )
    serving = asyncio.create_task(server.serve())
    await serve({})
    server.should_exit = True
    await serving


if __name__ == "__main__":
    run(main(int(sys.argv[1])))
