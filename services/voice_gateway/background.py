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
        self._closed = False

    def add(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Run `work` after what was added before; after `close` it is left out, and the log says so."""
        if self._closed:
            _log.warning("work left out after the end of a call", extra={"work": name})
            work.close()
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="background")
        self._queue.put_nowait((name, work))

    async def close(self, timeout_s: float) -> None:
        """Finish what was added, within `timeout_s`; what is left then is not begun."""
        self._closed = True
        if self._task is None:
            return
        self._queue.put_nowait(None)
        try:
            await asyncio.wait_for(self._task, timeout_s)
        except TimeoutError:
            _log.warning("work cut short at the end of a call")
        finally:
            if left := self._leave_out():
                _log.warning("work left out at the end of a call", extra={"work": left})

    def _leave_out(self) -> list[str]:
        """Drop what was not begun; answers its names."""
        names: list[str] = []
        while not self._queue.empty():
            if item := self._queue.get_nowait():
                names.append(item[0])
                item[1].close()
        return names

    async def _run(self) -> None:
        while (item := await self._queue.get()) is not None:
            name, work = item
            try:
                await work
            except Exception as error:
                # An error's text may repeat the guest's words.
                _log.error("call report failed", extra={"work": name, "error": type(error).__name__})
                _log.debug("call report failed here", exc_info=True, extra={"work": name})
