"""One history out of two places: what the archive keeps, then what only Redis has yet."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import msgspec

from libs.contracts.errors import BusUnavailable, UnknownConversation
from libs.contracts.events import AnyEvent, Usage
from libs.contracts.projection import Message, project
from services.context_store.domain.context import KINDS, context_of
from services.context_store.domain.rows import Row, row_of
from services.context_store.domain.spent import spent_on
from services.context_store.ports import Archive, HotTail, Kept, Tail

_PAGE = 1_000


class Page(msgspec.Struct, frozen=True):
    """Events of a conversation in order of number."""

    rows: list[Row]
    complete: bool
    """False: Redis is away, so that events of the last moments may be missing."""
    more: bool
    """Whether there may be events after the last of the page."""


class Context(msgspec.Struct, frozen=True):
    fields: Mapping[str, str]
    complete: bool


class Messages(msgspec.Struct, frozen=True):
    messages: list[Message]
    complete: bool
    usage: Usage
    """Of the model, in the whole conversation."""


class History:
    """Every method raises `UnknownConversation` unless the conversation is of the property."""

    def __init__(self, archive: Archive, tail: HotTail) -> None:
        self._archive = archive
        self._tail = tail

    async def conversation(self, property_id: str, conversation_id: str) -> Kept | None:
        """As the archive has it; None while only Redis has it."""
        kept = await self._archive.conversation(property_id, conversation_id)
        if kept is None:
            await self._tail.read(property_id, conversation_id, after=0, limit=1)
        return kept

    async def events(self, property_id: str, conversation_id: str, *, after: int, limit: int) -> Page:
        """A page of events, at most `limit`."""
        kept = await self._archive.conversation(property_id, conversation_id)
        rows = await self._archive.rows(conversation_id, after=after, limit=limit) if kept else []
        if len(rows) == limit:
            return Page(rows, complete=True, more=True)
        tail = await self._read(
            kept, property_id, conversation_id, after=rows[-1].number if rows else after, limit=limit - len(rows)
        )
        if tail is None:
            return Page(rows, complete=False, more=False)
        hot = [row_of(conversation_id, number, body) for number, body in tail.entries]
        rows += [row for row in hot if isinstance(row, Row)]
        return Page(rows, complete=True, more=len(rows) == limit)

    async def messages(self, property_id: str, conversation_id: str) -> Messages:
        """The whole conversation as messages: heard text where it is known."""
        events: list[AnyEvent] = []
        after, page = 0, Page([], complete=True, more=True)
        while page.more:
            page = await self.events(property_id, conversation_id, after=after, limit=_PAGE)
            events += [event for row in page.rows if (event := row.event())]
            after = page.rows[-1].number if page.rows else after
        return Messages(project(events), page.complete, spent_on(events))

    async def context(self, property_id: str, conversation_id: str) -> Context:
        """Redis's own while it has the conversation; else what the events add up to."""
        kept = await self._archive.conversation(property_id, conversation_id)
        tail = await self._read(kept, property_id, conversation_id, after=kept.last_number if kept else 0, limit=1)
        if tail and tail.context:
            return Context(tail.context, complete=True)
        events: list[AnyEvent] = []
        after, more = 0, kept is not None
        while more:
            rows = await self._archive.rows(conversation_id, after=after, limit=_PAGE, kinds=KINDS)
            events += [event for row in rows if (event := row.event())]
            after, more = (rows[-1].number, True) if len(rows) == _PAGE else (after, False)
        return Context(context_of(events), complete=tail is not None)

    async def _read(
        self, kept: Kept | None, property_id: str, conversation_id: str, *, after: int, limit: int
    ) -> Tail | None:
        """Redis's end of the conversation; None when Redis is away. What the archive does not know must be there."""
        if kept is None:
            return await self._tail.read(property_id, conversation_id, after=after, limit=limit)
        with contextlib.suppress(BusUnavailable):
            try:
                return await self._tail.read(property_id, conversation_id, after=after, limit=limit)
            except UnknownConversation:
                return Tail({}, [])  # Redis was emptied: the archive is all there is
        return None
