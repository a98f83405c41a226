"""One batch into the archive, inside one transaction: rows once, conversations brought up to date, holes found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.context_store.adapters.sql_schema import conversations, events, strays
from services.context_store.domain.gaps import Span, survey
from services.context_store.domain.rows import Row, Stray, stray
from services.context_store.ports import Added

_AT_ONCE = 500
"""Rows of one statement: within every database's limit of parameters."""
_TAKEN = "its number is taken by another event"
_EVENT_COLUMNS = tuple(column.name for column in events.columns)


class Batch:
    """Use once, in the transaction of `connection`."""

    def __init__(self, connection: AsyncConnection, insert: Callable[[Table], Any]) -> None:
        self._connection = connection
        self._insert = insert

    async def add(self, rows: Sequence[Row], odd: Sequence[Stray]) -> Added:
        new = [row for part in _parts(rows) for row in await self._add_events(part)]
        taken = await self._taken(rows, new)
        aside = [stray(row.conversation_id, row.number, row.body, _TAKEN) for row in taken]
        await self._add_strays([*odd, *aside])
        by_conversation: dict[str, list[Row]] = {row.conversation_id: [] for row in rows}
        for row in new:
            by_conversation[row.conversation_id].append(row)
        holes: dict[str, list[Span]] = {}
        for conversation_id, mine in by_conversation.items():
            if missing := await self._update(conversation_id, mine):
                holes[conversation_id] = missing
        conflicts = [(row.conversation_id, row.number) for row in taken]
        return Added(new, holes, len(odd) + len(taken), conflicts)

    async def _add_events(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that were not there yet; the database decides, so that two writers never both add one."""
        values = [{name: getattr(row, name) for name in _EVENT_COLUMNS} for row in rows]
        key = (events.c.conversation_id, events.c.number)
        statement = self._insert(events).values(values).on_conflict_do_nothing().returning(*key)
        added = {(row[0], row[1]) for row in await self._connection.execute(statement)}
        new = []
        for row in rows:
            if (row.conversation_id, row.number) in added:
                added.discard((row.conversation_id, row.number))
                new.append(row)
        return new

    async def _taken(self, rows: Sequence[Row], new: Sequence[Row]) -> list[Row]:
        """Rows whose place is taken by another body: a log that was set back (a restored Redis). Kept aside."""
        added = {id(row) for row in new}
        out: list[Row] = []
        for part in _parts([row for row in rows if id(row) not in added]):
            wanted = [(row.conversation_id, row.number) for row in part]
            key = (events.c.conversation_id, events.c.number)
            query = select(*key, events.c.body).where(tuple_(*key).in_(wanted))
            bodies = {(row[0], row[1]): row[2] for row in await self._connection.execute(query)}
            out += [row for row in part if bodies[row.conversation_id, row.number] != row.body]
        return out

    async def _add_strays(self, odd: Sequence[Stray]) -> None:
        for part in _parts(odd):
            values = [{"id": one.id, "label": one.label, "reason": one.reason, "body": one.body} for one in part]
            await self._connection.execute(self._insert(strays).values(values).on_conflict_do_nothing())

    async def _update(self, conversation_id: str, new: Sequence[Row]) -> list[Span]:
        """Bring the conversation up to date; answer what is missing of it."""
        table = conversations
        query = select(table).where(table.c.conversation_id == conversation_id).with_for_update()
        had = (await self._connection.execute(query)).one_or_none()
        past = dict(had._mapping) if had else {}
        settled, holes = await self._survey(conversation_id, past.get("settled_to", 0))
        if not new:
            return holes  # seen before; a hole that could not be mended then is told again
        times = [row.time_ms for row in new if row.time_ms] + [past[name] for name in ("opened_ms", "last_ms") if past]
        values = {
            "conversation_id": conversation_id,
            **{
                name: _first(past.get(name, ""), new, name) for name in ("property_id", "customer_id", "reservation_id")
            },
            "opened_ms": min((time for time in times if time), default=0),
            "last_ms": max(times, default=0),
            "last_number": max(past.get("last_number", 0), *(row.number for row in new)),
            "settled_to": settled,
        }
        statement = self._insert(table).values(values)
        changed = {name: value for name, value in values.items() if name != "conversation_id"}
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["conversation_id"], set_=changed)
        )
        return holes

    async def _survey(self, conversation_id: str, settled_to: int) -> tuple[int, list[Span]]:
        query = (
            select(events.c.number)
            .where(events.c.conversation_id == conversation_id, events.c.number > settled_to)
            .order_by(events.c.number)
        )
        return survey(settled_to, (await self._connection.execute(query)).scalars().all())


def _first(known: str, rows: Sequence[Row], name: str) -> str:
    return known or next((value for row in rows if (value := getattr(row, name))), "")


def _parts(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)]
