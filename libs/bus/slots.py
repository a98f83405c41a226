"""How many turns a worker may still take."""

from __future__ import annotations

import asyncio


class Slots:
    """Slots are taken several at a time, before a read, and given back one by one or as the read left them over."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._freed = asyncio.Event()

    async def take(self, most: int) -> int:
        """Wait until a slot is free; take all that are, up to `most`. Returns how many were taken."""
        while not self._free:
            self._freed.clear()
            await self._freed.wait()
        taken = min(self._free, most)
        self._free -= taken
        return taken

    def give(self, count: int = 1) -> None:
        """Give back slots that are not used, or not any more."""
        self._free += count
        self._freed.set()
