"""A running turn's write that a full Redis refuses is tried again while the run lives. Nothing was written, and neither
the model nor a tool has to be asked a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.bus.observer import Observer
from libs.contracts.errors import BusFull

T = TypeVar("T")
PAUSE_S = 0.1


async def insist(write: Callable[[], Awaitable[T]], stopped: Callable[[], object], observer: Observer, step: str) -> T:
    """What `write` answers, as soon as Redis takes it. `BusFull` once the run was stopped."""
    while True:
        try:
            return await write()
        except BusFull:
            if stopped():
                raise
        observer.refused(step)
        await asyncio.sleep(PAUSE_S)
