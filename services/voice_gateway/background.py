"""Work that must not be cancelled with the task that started it: a cancel to the brain, a report of what was heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

_log = logging.getLogger(__name__)


class Background:
    """Runs coroutines one after another, in the order given: a cancel goes out before what was heard of the turn."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Coroutine[None, None, None]] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def add(self, name: str, work: Coroutine[None, None, None]) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="background")
        self._queue.put_nowait((name, work))

    async def close(self, timeout_s: float) -> None:
        """Finish what was added, within `timeout_s`."""
        if self._task is None:
            return
        self._queue.put_nowait(None)
        try:
            await asyncio.wait_for(self._task, timeout_s)
        except TimeoutError:
            _log.warning("work left out at the end of a call", extra={"left": self._queue.qsize()})

    async def _run(self) -> None:
        while (item := await self._queue.get()) is not None:
            name, work = item
            try:
                await work
            except Exception as error:
                _log.error("call report failed", extra={"work": name, "error": f"{type(error).__name__}: {error}"})
