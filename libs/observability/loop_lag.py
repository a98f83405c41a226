"""How late the event loop runs its timers: the first thing to look at when everything in a process is slow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Histogram

from libs.observability import names

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

_RECENT = 9


class Lateness:
    """Asks to be woken every `interval_s`, tells how many seconds later that was. `run` ends only by cancellation."""

    def __init__(
        self,
        tell: Callable[[float], None],
        *,
        interval_s: float = 0.25,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tell = tell
        self._interval_s = interval_s
        self._sleep = sleep
        self._recent: deque[float] = deque(maxlen=_RECENT)

    @property
    def recent_s(self) -> float:
        """The median of the last ones: one late timer is no load."""
        ordered = sorted(self._recent)
        return ordered[len(ordered) // 2] if ordered else 0.0

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await self._sleep(self._interval_s)
            late = max(0.0, clock() - before - self._interval_s)
            self._tell(late)
            self._recent.append(late)


class LoopLag(Lateness):
    """The same as a metric of this process."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        interval_s: float = 0.25,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        lag = Histogram(names.LOOP_LAG, "Delay of timers", buckets=BUCKETS, registry=registry)
        super().__init__(lag.observe, interval_s=interval_s, sleep=sleep)
