"""The peer's client: aiohttp, one session, connections kept. `python -m benchmarks.http_load http://HOST:PORT`."""

from __future__ import annotations

import functools
import sys
import time

import aiohttp

from benchmarks import work
from benchmarks.control import serve
from benchmarks.load import OPEN_CONVERSATIONS, Ask, Columns, Took, closed, columns, conversations_for, opened
from libs.bus.bus import new_id
from libs.contracts.codec import decode, encode
from libs.contracts.events import ReplyGenerated
from libs.process import run

_JSON = {"Content-Type": "application/json"}


class Client:
    """The commands of this process: the same loads as the gateway's."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session, self._base = session, base

    async def closed(self, ask: Ask[str], turns: int, at_once: int) -> Columns:
        conversations = _conversations(conversations_for(turns, at_once))
        started = time.perf_counter()
        return columns(await closed(ask, conversations, turns, at_once), time.perf_counter() - started)

    async def opened(self, ask: Ask[str], turns: int, per_s: float, seed: int) -> Columns:
        conversations = _conversations(OPEN_CONVERSATIONS)
        started = time.perf_counter()
        return columns(await opened(ask, conversations, turns, per_s, seed), time.perf_counter() - started)

    async def post(self, path: str, conversation: str) -> Took:
        """The whole reply in one body: its first words come with its last."""
        body = encode(work.message(conversation))
        started = time.perf_counter()
        async with self._session.post(self._base + path, data=body, headers=_JSON) as response:
            _check(await response.read())
        took = (time.perf_counter() - started) * 1000
        return Took(took, took)

    async def stream(self, conversation: str) -> Took:
        body, first, data = encode(work.message(conversation)), 0.0, b""
        started = time.perf_counter()
        async with self._session.post(f"{self._base}/stream", data=body, headers=_JSON) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    first = first or time.perf_counter()
                    data = line[6:]
        _check(data)
        return Took((first - started) * 1000, (time.perf_counter() - started) * 1000)


def _check(body: bytes) -> None:
    answered = decode(body)
    assert isinstance(answered, ReplyGenerated), "not a reply"
    assert answered.text == work.REPLY, "another reply"


def _conversations(count: int) -> list[str]:
    return [new_id("conv") for _ in range(count)]


async def main(base: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        client = Client(session, base)
        post, lean = functools.partial(client.post, "/answer"), functools.partial(client.post, "/lean")
        await serve(
            {
                "post closed": functools.partial(client.closed, post),
                "post opened": functools.partial(client.opened, post),
                "lean closed": functools.partial(client.closed, lean),
                "lean opened": functools.partial(client.opened, lean),
                "stream closed": functools.partial(client.closed, client.stream),
                "stream opened": functools.partial(client.opened, client.stream),
            }
        )


if __name__ == "__main__":
    run(main(sys.argv[1]))
