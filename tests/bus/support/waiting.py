"""Waiting for a condition, never for a time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_EVERY_S = 0.005
WITHIN_S = 30.0
"""Only a test that fails waits so long."""


async def eventually(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Ask until the answer, awaited if need be, is true. `TimeoutError` names the condition."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                answer = condition()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    return
                await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=_EVERY_S)
    except TimeoutError:
        raise TimeoutError(f"not within {within_s} s: {inspect.getsource(condition).strip()}") from None


async def soon(work: Awaitable[T], within_s: float = WITHIN_S) -> T:
    """The result of something that should come at once."""
    return await asyncio.wait_for(work, within_s)
