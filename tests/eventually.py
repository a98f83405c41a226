"""Waiting in tests for what other tasks or processes bring about: a condition with a deadline, never a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_EVERY_S = 0.01


async def eventually(ask: Callable[[], Awaitable[T]], until: Callable[[T], bool] = bool, *, within_s: float = 30) -> T:
    """Ask until the answer will do; fails with the last answer when it does not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not until(answer := await ask()):
        if loop.time() > deadline:
            raise AssertionError(f"not within {within_s} s; the last answer: {answer!r}")
        await asyncio.wait({loop.create_future()}, timeout=_EVERY_S)
    return answer
