"""Erasing a guest: every conversation of theirs out of the archive and out of Redis, for good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec

from services.context_store.ports import Archive, Kept, LiveTraces

_PAGE = 200
_DONE = ("retired", "none")


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation, or all of a customer's, or all of a reservation's."""

    property_id: str
    conversation_id: str = ""
    customer_id: str = ""
    reservation_id: str = ""


class Erased(msgspec.Struct, frozen=True):
    events: int
    """That were in the archive."""
    gone: list[str]
    """Conversations of which nothing is left."""
    waiting: dict[str, str]
    """Conversations that are still there, and why: a turn waits, a client follows, or not all of it is archived yet."""


class Eraser:
    """`now_ms` is Unix milliseconds. Every method raises `ArchiveUnavailable` and `BusUnavailable`."""

    def __init__(self, archive: Archive, traces: LiveTraces, *, now_ms: Callable[[], int]) -> None:
        self._archive, self._traces, self._now_ms = archive, traces, now_ms

    async def find(self, whose: Whose) -> list[Kept]:
        """What there is to erase. A conversation that only Redis has yet is among them, with its last number 0."""
        found = {kept.conversation_id: kept async for kept in self._archived(whose)}
        live = await self._live(whose)
        if live and live not in found:
            found[live] = await self._archive.conversation(whose.property_id, live) or _unarchived(whose, live)
        return list(found.values())

    async def erase(self, whose: Whose) -> Erased:
        """Erase what rests. Redis first: nothing new comes of a conversation that it has forgotten.

        Repeat it while something waits. If it is cut short, the next time goes on where it stopped.
        """
        events, gone, waiting = 0, list[str](), dict[str, str]()
        for kept in await self.find(whose):
            outcome = await self._traces.forget(kept)
            if outcome not in _DONE:
                waiting[kept.conversation_id] = outcome
                continue
            events += await self._archive.erase([kept.conversation_id], self._now_ms())
            gone.append(kept.conversation_id)
        return Erased(events, gone, waiting)

    async def _live(self, whose: Whose) -> str:
        """The one that Redis may have and the archive not."""
        if whose.conversation_id:
            held = await self._traces.holds(whose.property_id, whose.conversation_id)
            return whose.conversation_id if held else ""
        return await self._traces.opened(
            whose.property_id, customer_id=whose.customer_id, reservation_id=whose.reservation_id
        )

    async def _archived(self, whose: Whose) -> AsyncIterator[Kept]:
        if whose.conversation_id:
            if kept := await self._archive.conversation(whose.property_id, whose.conversation_id):
                yield kept
            return
        before: tuple[int, str] | None = None
        while True:
            page = await self._archive.conversations(
                whose.property_id,
                limit=_PAGE,
                before=before,
                customer_id=whose.customer_id,
                reservation_id=whose.reservation_id,
            )
            for kept in page:
                yield kept
            if len(page) < _PAGE:
                return
            before = (page[-1].last_ms, page[-1].conversation_id)


def _unarchived(whose: Whose, conversation_id: str) -> Kept:
    return Kept(
        conversation_id=conversation_id,
        property_id=whose.property_id,
        customer_id=whose.customer_id,
        reservation_id=whose.reservation_id,
        opened_ms=0,
        last_ms=0,
        last_number=0,
    )
