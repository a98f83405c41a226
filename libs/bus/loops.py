"""Background loops that must not end: whatever one meets is reported, and it begins again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_PAUSE_S = 0.1
_log = logging.getLogger(__name__)


async def persist(loop: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    """Run the loop until cancelled. One bad message, or Redis emptied by hand, must not cost a worker its heartbeat."""
    while True:
        try:
            await loop()
        except Exception:
            _log.exception("loop failed, begun again", extra={"loop": name})
        await asyncio.sleep(_PAUSE_S)
