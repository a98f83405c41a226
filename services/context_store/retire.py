"""Conversations that have been idle for long leave Redis. What Redis had of them is in the archive before.

A conversation rests when its last number is what it was a whole idle time ago, by the clock of this process: no event's
own time decides, for it is somebody else's. It leaves after one idle time at the earliest. There is no latest: what
keeps it (a follower, a turn, something new in its log) is found at a look, and the next look is an idle time later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from libs.contracts.errors import BusUnavailable, UnknownConversation
from services.context_store.domain.rows import Row, Stray, row_of
from services.context_store.ports import Archive, ArchiveUnavailable, HotTail, Kept, LiveMemory

_log = logging.getLogger(__name__)
_BATCH = 200
_PAGE = 500


class Retirer:
    """Looks at every conversation once in `idle_ms`. `now_ms` is Unix milliseconds."""

    def __init__(
        self,
        archive: Archive,
        tail: HotTail,
        memory: LiveMemory,
        *,
        idle_ms: int,
        every_s: float,
        now_ms: Callable[[], int],
        on_retired: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._archive, self._tail, self._memory = archive, tail, memory
        self._idle_ms, self._every_s, self._now_ms = idle_ms, every_s, now_ms
        self._on_retired = on_retired
        """Told what became of each."""
        self._sleep = sleep

    async def run(self) -> None:
        """Sweep for ever; ends only by cancellation."""
        while True:
            try:
                while await self.sweep() == _BATCH:
                    await self._sleep(0)
            except (BusUnavailable, ArchiveUnavailable) as error:
                _log.warning("retiring waits", extra={"reason": error.detail})
            except Exception:
                _log.exception("retiring failed, tried again later")
            await self._sleep(self._every_s)

    async def sweep(self) -> int:
        """One batch of those that are due; how many were looked at."""
        now = self._now_ms()
        due = await self._archive.due(before_ms=now - self._idle_ms, limit=_BATCH)
        resting = [one.kept for one in due if one.number == one.kept.last_number]
        await self._looked_at([one.kept for one in due if one.number != one.kept.last_number], now)
        for kept in resting:
            self._on_retired(await self._try(kept))
            await self._looked_at([kept], now)
        return len(due)

    async def _looked_at(self, seen: Sequence[Kept], now: int) -> None:
        await self._archive.looked_at({one.conversation_id: one.last_number for one in seen}, now)

    async def _try(self, kept: Kept) -> str:
        """One that cannot be retired for whatever reason of its own does not hold up the others."""
        try:
            return await self._retire(kept)
        except (BusUnavailable, ArchiveUnavailable):
            raise
        except Exception:
            _log.exception("not retired", extra={"conversation_id": kept.conversation_id})
            return "failed"

    async def _retire(self, kept: Kept) -> str:
        try:
            archived = await self._take_up(kept)
        except UnknownConversation:
            return "none"
        known = await self._archive.conversation(kept.property_id, kept.conversation_id)
        if known and known.last_number > kept.last_number:
            return "awake"  # the archive did not grow because it was away, not because nothing was said
        return await self._memory.retire(kept.property_id, kept.conversation_id, archived)

    async def _take_up(self, kept: Kept) -> int:
        """Bring all that the log has into the archive, whatever came over the stream; the last number archived.

        A body that differs from the archive's is kept beside it: nothing leaves Redis that is not kept.
        """
        number, after, more = kept.last_number, 0, True
        while more:
            found = await self._tail.read(kept.property_id, kept.conversation_id, after=after, limit=_PAGE)
            placed = [row_of(kept.conversation_id, one, body) for one, body in found.entries]
            rows = [one for one in placed if isinstance(one, Row)]
            await self._archive.add(rows, [one for one in placed if isinstance(one, Stray)])
            if found.entries:
                number = after = found.entries[-1][0]
            more = len(found.entries) == _PAGE
        return number
