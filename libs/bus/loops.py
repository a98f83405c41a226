"""Background loops that must not end: whatever one meets is reported, and it begins again."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 5.0
_STEADY_S = 10.0
"""A loop that ran so long before it failed is no loop that fails all the time."""
_SICK = 3
"""Failures in a row after which a loop is not healthy."""
_log = logging.getLogger(__name__)


class Loop:
    """Runs until cancelled. One bad message, or Redis emptied by hand, must not cost a worker its heartbeat."""

    def __init__(self, loop: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._loop, self.name = loop, name
        self._failures = 0
        self._began = 0.0

    @property
    def healthy(self) -> bool:
        """False while it fails again and again; what has run steadily since has recovered."""
        return self._failures < _SICK or time.monotonic() - self._began > _STEADY_S

    async def run(self) -> None:
        """Begin again after every failure, with a growing pause; the first of a row is told with its traceback."""
        while True:
            self._began = time.monotonic()
            try:
                await self._loop()
            except Exception as error:
                steady = time.monotonic() - self._began > _STEADY_S
                self._failures = 1 if steady else self._failures + 1
                extra = {"loop": self.name, "failures": self._failures, "error": type(error).__name__}
                _log.error("loop failed, begun again", extra=extra, exc_info=self._failures == 1)
            self._began = math.inf
            await asyncio.sleep(min(_FIRST_PAUSE_S * 2 ** max(0, self._failures - 1), _LAST_PAUSE_S))
