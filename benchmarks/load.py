"""Closed and open loops over anything that answers a question."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")
Columns = dict[str, list[float]]
"""Measurements of one load by name: `first` and `last` in milliseconds per turn, `seconds` that it took in all."""

TURNS_PER_CONVERSATION = 10
OPEN_CONVERSATIONS = 200
"""Conversations that an open loop goes round."""


class Took(NamedTuple):
    """Milliseconds from asking to the first words and to the last."""

    first: float
    last: float


Ask = Callable[[T], Awaitable[Took]]


async def closed(ask: Ask[T], conversations: Sequence[T], turns: int, at_once: int) -> list[Took]:
    """So many guests at once; each asks again as soon as it has its answer."""
    took: list[Took] = []
    left = turns
    free = deque(conversations)

    async def guest() -> None:
        nonlocal left
        while left > 0:
            conversation = free.popleft()
            for _ in range(TURNS_PER_CONVERSATION):
                if left <= 0:
                    return
                left -= 1
                took.append(await ask(conversation))

    async with asyncio.TaskGroup() as guests:
        for _ in range(at_once):
            guests.create_task(guest())
    return took


async def opened(ask: Ask[T], conversations: Sequence[T], turns: int, per_s: float, seed: int) -> list[Took]:
    """Questions arrive when they arrive (Poisson), answered or not, in conversations that are free."""
    loop, dice = asyncio.get_running_loop(), random.Random(seed)
    took: list[Took] = []
    free = deque(conversations)

    async def guest() -> None:
        conversation = free.popleft()
        took.append(await ask(conversation))
        free.append(conversation)

    due = loop.time()
    async with asyncio.TaskGroup() as guests:
        for _ in range(turns):
            due += dice.expovariate(per_s)
            await asyncio.sleep(due - loop.time())
            guests.create_task(guest())
    return took


def conversations_for(turns: int, at_once: int) -> int:
    """Conversations that `closed` uses up at most: none grows past TURNS_PER_CONVERSATION turns."""
    return turns // TURNS_PER_CONVERSATION + at_once + 1


def columns(took: Sequence[Took], seconds: float) -> Columns:
    return {"first": [one.first for one in took], "last": [one.last for one in took], "seconds": [seconds]}
