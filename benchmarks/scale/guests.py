"""Guests who write over HTTP: as they come (open loop), or as many as fill every slot (closed loop)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import Any

import aiohttp

from benchmarks.scale.book import Asked
from benchmarks.scale.plan import QUESTION, Plan
from tests.chaos.stitching import stitch
from tests.chaos.wire import Refused, Wire

REPEATS = 5
PATIENCE_S = 100.0
"""Longer than the gateway's own patience with a reply."""


class Guests:
    """`book` has every question that was asked, in order."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, plan: Plan, seed: int) -> None:
        self.book: list[Asked] = []
        self._wire = Wire(session, [url], key)
        self._url, self._plan, self._dice = url, plan, random.Random(seed)
        self._came = 0
        self._free: deque[tuple[str, int]] = deque()

    async def come(self, per_s: float, over: asyncio.Event) -> None:
        """Questions arrive when they arrive (Poisson), until `over`; returns when the last is answered."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as asking:
            while True:
                due += self._dice.expovariate(per_s)
                if await happens(over, due - loop.time()):
                    return
                asking.create_task(self._one(*(self._free.popleft() if self._free else self._new())))

    async def fill(self, guests: int, over: asyncio.Event) -> None:
        """So many guests at once, who begin within one turn's time and ask again as soon as they are answered."""
        async with asyncio.TaskGroup() as asking:
            for number in range(guests):
                asking.create_task(self._insist(number / guests * turn_s(self._plan), over))

    async def _insist(self, after_s: float, over: asyncio.Event) -> None:
        if await happens(over, after_s):
            return
        while not over.is_set():
            name, _ = self._new()
            for turn in range(self._plan.turns_per_guest):
                await self._ask(name, turn)
                if over.is_set():
                    return

    async def _one(self, name: str, turn: int) -> None:
        await self._ask(name, turn)
        if turn + 1 < self._plan.turns_per_guest:
            self._free.append((name, turn + 1))

    def _new(self) -> tuple[str, int]:
        self._came += 1
        return f"guest-{self._came}", 0

    async def _ask(self, name: str, turn: int) -> None:
        one = Asked(f"{name}.{turn}", time.time(), streamed=self._dice.random() < self._plan.streamed_share)
        self.book.append(one)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._until_answered(name, one)
        except (Refused, aiohttp.ClientError, TimeoutError, OSError) as error:
            one.trouble = f"{type(error).__name__}: {error}"

    async def _until_answered(self, name: str, one: Asked) -> None:
        """A connection that breaks, as kept ones do, is no reason to ask another question: the same key is sent."""
        pieces: list[dict[str, Any]] = []
        while True:
            try:
                return await (self._read(name, one, pieces) if one.streamed else self._take(name, one))
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                one.repeated += 1
                if one.repeated > REPEATS:
                    raise

    async def _take(self, name: str, one: Asked) -> None:
        answer = await self._wire.ask(self._url, name, QUESTION, one.key)
        one.conversation, one.turn, one.text = answer["conversationId"], answer["turnId"], answer["response"]
        one.answered = time.time()

    async def _read(self, name: str, one: Asked, pieces: list[dict[str, Any]]) -> None:
        """`pieces`: what came over connections that broke."""
        async with self._wire.post(self._url, name, QUESTION, one.key) as frames:
            async for frame in frames:
                data = frame.data
                one.conversation = data.get("conversationId", one.conversation)
                pieces.append({"kind": frame.name, "turn": data.get("turnId"), **data})
                if frame.name == "error":
                    raise Refused(int(data.get("status", 0)), data, 0.0)
                if frame.name == "end":
                    pieces[-1]["text"], one.answered = data["response"], time.time()
        read = stitch(pieces)
        one.turn, one.text, one.trouble = read.turn, read.text.decode(), "; ".join(read.faults)


def turn_s(plan: Plan, tokens: int = 100) -> float:
    """What the model takes for an answer: the first token, then every token and the end after a token's time."""
    return plan.first_token_s + (tokens + 1) / plan.tokens_per_s


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Whether it does; returns at once when it has, and after `within_s` otherwise."""
    try:
        async with asyncio.timeout(max(0.0, within_s)):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
