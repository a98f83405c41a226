"""From the events stream into the archive: every event once, nothing refused, holes mended from the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from libs.contracts.errors import UnknownConversation
from libs.contracts.events import AnyEvent
from services.context_store.domain.gaps import Span
from services.context_store.domain.rows import UNKNOWN, Row, Stray, place, row_of
from services.context_store.ports import Added, Archive, HotTail

_log = logging.getLogger(__name__)
_HEAL_PAGE = 500


class Incoming(Protocol):
    """One entry of the events stream, as the bus hands it over. `event` is None when it does not decode."""

    @property
    def conversation_id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def event(self) -> AnyEvent | None: ...
    @property
    def reason(self) -> str: ...


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of events, for metrics."""

    new: int = 0
    duplicate: int = 0
    unknown: int = 0
    """New, and not readable by this release."""
    stray: int = 0
    conflict: int = 0
    """Strays whose number another event has: Redis lost writes that were archived already."""
    healed: int = 0
    lost: int = 0


class Ingest:
    """The sink of the event consumer. Raises when the archive or, for a hole, Redis is away: the batch comes again."""

    def __init__(
        self,
        archive: Archive,
        tail: HotTail,
        *,
        on_event: Callable[[AnyEvent], None],
        on_batch: Callable[[Tally], None],
    ) -> None:
        self._archive = archive
        self._tail = tail
        self._on_event = on_event
        self._on_batch = on_batch
        self._failure: Exception | None = None

    async def check(self) -> None:
        """Raises what the last batch failed with; it has not been kept yet."""
        if self._failure:
            raise self._failure

    async def __call__(self, batch: Sequence[Incoming]) -> None:
        try:
            await self._keep(batch)
        except Exception as error:
            self._failure = error
            raise
        self._failure = None

    async def _keep(self, batch: Sequence[Incoming]) -> None:
        placed = [place(one.conversation_id, one.number, one.body, one.event, one.reason) for one in batch]
        rows = [one for one in placed if isinstance(one, Row)]
        added = await self._archive.add(rows, [one for one in placed if isinstance(one, Stray)])
        self._tell(added.new)
        self._on_batch(
            Tally(
                new=len(added.new),
                duplicate=len(rows) - len(added.new),
                unknown=sum(row.kind == UNKNOWN for row in added.new),
                stray=added.strays,
                conflict=len(added.conflicts),
            )
        )
        for conversation_id, number in added.conflicts:
            _log.error(
                "two events under one number, the later one is kept aside",
                extra={"conversation_id": conversation_id, "number": number},
            )
        if added.holes:
            self._on_batch(await self._mend(added))

    def _tell(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if event := row.event():
                self._on_event(event)

    async def _mend(self, added: Added) -> Tally:
        healed = lost = 0
        for conversation_id, holes in added.holes.items():
            found = await self._fetch(conversation_id, holes)
            again = await self._archive.add(found, [])
            self._tell(again.new)
            healed += len(again.new)
            if still := again.holes.get(conversation_id, [] if found else holes):
                _log.error("events are lost", extra={"conversation_id": conversation_id, "holes": _told(still)})
                await self._archive.give_up(conversation_id, still[-1].last)
                lost += sum(hole.last - hole.first + 1 for hole in still)
        return Tally(healed=healed, lost=lost)

    async def _fetch(self, conversation_id: str, holes: Sequence[Span]) -> list[Row]:
        """What the log still has of the holes."""
        property_id = await self._archive.property_of(conversation_id)
        if not property_id:
            return []
        rows: list[Row] = []
        for hole in holes:
            after = hole.first - 1
            while after < hole.last:
                try:
                    limit = min(_HEAL_PAGE, hole.last - after)
                    tail = await self._tail.read(property_id, conversation_id, after=after, limit=limit)
                except UnknownConversation:
                    return rows
                inside = [(number, body) for number, body in tail.entries if number <= hole.last]
                rows += [
                    row for number, body in inside if isinstance(row := row_of(conversation_id, number, body), Row)
                ]
                if not inside:
                    break
                after = inside[-1][0]
        return rows


def _told(holes: Sequence[Span]) -> str:
    return ", ".join(f"{hole.first}-{hole.last}" for hole in holes[:20])
