"""How a process of ours runs: on uvloop where there is one, with a garbage collector that leaves start-up alone.

The brain, the store and the text gateway start through `run`; LiveKit's native library wants the standard loop, so the
voice gateway does not. A composition root calls `settle` once, after it has built everything.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

T = TypeVar("T")

_THRESHOLDS = (5_000, 50, 100)
"""Young collections small, old ones seldom, full ones very seldom. A young one looks at as many objects as the first
number says: at 50 000 all turns stood still for 40 ms meanwhile, at 5 000 for a few. Full ones made the tail of the
first token four to ten times longer at 100 turns at once. What requests leave is freed by reference counting."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; SIGINT cancels, as with asyncio.run."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


def settle() -> None:
    """Call when all that lives as long as the process is there: it is collected now and never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
