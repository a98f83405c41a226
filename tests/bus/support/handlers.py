"""Handlers for tests: one that echoes, and one that a test leads word by word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from libs.bus.handler import Done, Turn


async def echo(turn: Turn) -> AsyncGenerator[str | Done, None]:
    """Says the guest's message again, word by word; goes on from a draft."""
    words = turn.message.text.encode()[turn.offset :].decode().split(" ")
    for index, word in enumerate(words):
        yield word if index == len(words) - 1 else word + " "
        await asyncio.sleep(0)
    yield Done(model="echo")


class Led:
    """A handler that does what the test tells it: `say`, `do`, `end`. One instance per worker."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        """Every run that began, in order."""
        self.over: list[str] = []
        """Turn ids whose run came to an end, in whatever way."""
        self._orders: dict[str, asyncio.Queue[str | Done | Callable[[Turn], Awaitable[None]]]] = {}

    def say(self, turn_id: str, *texts: str) -> None:
        """Yield these."""
        for text in texts:
            self._queue(turn_id).put_nowait(text)

    def do(self, turn_id: str, work: Callable[[Turn], Awaitable[None]]) -> None:
        """Await this inside the handler."""
        self._queue(turn_id).put_nowait(work)

    def end(self, turn_id: str, *texts: str) -> None:
        """Yield these and finish."""
        self.say(turn_id, *texts)
        self._queue(turn_id).put_nowait(Done(model="led"))

    def began(self, turn_id: str, times: int = 1) -> bool:
        return sum(turn.grant.item.turn_id == turn_id for turn in self.turns) >= times

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        turn_id = turn.grant.item.turn_id
        self.turns.append(turn)
        try:
            while True:
                order = await self._queue(turn_id).get()
                if isinstance(order, Done):
                    yield order
                    return
                if isinstance(order, str):
                    yield order
                else:
                    await order(turn)
        finally:
            self.over.append(turn_id)

    def _queue(self, turn_id: str) -> asyncio.Queue[str | Done | Callable[[Turn], Awaitable[None]]]:
        return self._orders.setdefault(turn_id, asyncio.Queue())


class Halting:
    """Says the guest's message again and waits half way until `go` is set. A successor goes on from the draft."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    @staticmethod
    def half(text: str) -> str:
        """What it says before it waits."""
        words = text.split(" ")
        return " ".join(words[: len(words) // 2]) + " "

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        text = turn.message.text
        half = len(self.half(text).encode())
        if turn.offset < half:
            yield text.encode()[turn.offset : half].decode()
        await self.go.wait()
        words = text.encode()[turn.offset :].decode().split(" ")
        for index, word in enumerate(words):
            yield word if index == len(words) - 1 else word + " "
            await asyncio.sleep(0)
        yield Done(model="halting")
