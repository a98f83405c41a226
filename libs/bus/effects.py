"""Side effects of one run: each goes to its end, whatever becomes of the turn meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Effects:
    """`running` are those that have begun and not ended. `stopped`: the turn waits for no answer any more."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self.running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` answers. Whoever waits may be cancelled; the work is not."""
        task: asyncio.Task[T] = asyncio.ensure_future(_await(work))
        self.running.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        if self._stopped() and not task.cancelled() and (error := task.exception()):
            _log.warning("side effect failed after its turn was stopped", exc_info=error)


async def _await(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
