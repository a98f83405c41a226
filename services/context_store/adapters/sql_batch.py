"""One batch into the archive, inside one transaction: rows once, conversations brought up to date, holes found.

Writers take turns by conversation: each first makes the rows of conversations that are new, then locks those of all of
its conversations, both in order of id. So two stores neither add an event twice nor wait for each other in a circle.
What is new, whole or missing follows from those rows; events are read only where something comes again or is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Table, and_, bindparam, column, select, values
from sqlalchemy.ext.asyncio import AsyncConnection

from services.context_store.adapters.sql_schema import conversations, erasures, events, retirements, strays
from services.context_store.domain.gaps import Span, survey
from services.context_store.domain.rows import Row, Stray, stray
from services.context_store.ports import Added

_AT_ONCE = 500
"""Values in one list: within every database's limit of parameters."""
_TAKEN = "its number is taken by another event"
_EVENT_COLUMNS = tuple(column.name for column in events.columns)
_IDS = ("property_id", "customer_id", "reservation_id")
_CHANGING = (*_IDS, "opened_ms", "last_ms", "last_number", "settled_to")
_UPDATE = (
    conversations.update()
    .where(conversations.c.conversation_id == bindparam("of"))
    .values({name: bindparam(f"to_{name}") for name in _CHANGING})
)
T = TypeVar("T")
Place = tuple[str, int]
Past = dict[str, dict[str, Any]]
"""Locked rows of conversations, by id."""


class Batch:
    """Use once, in the transaction of `connection`."""

    def __init__(self, connection: AsyncConnection, insert: Callable[[Table], Any]) -> None:
        self._connection = connection
        self._insert = insert

    async def add(self, rows: Sequence[Row], odd: Sequence[Stray]) -> Added:
        past = await self.lock({row.conversation_id for row in rows})
        rows = [row for row in rows if row.conversation_id in past]
        new, taken = await self._sift(rows, past)
        aside = [stray(row.conversation_id, row.number, row.body, _TAKEN) for row in taken]
        await self._add_strays([*odd, *aside])
        await self._many(events.insert(), ({name: getattr(row, name) for name in _EVENT_COLUMNS} for row in new))
        fresh: dict[str, list[Row]] = defaultdict(list)
        for row in new:
            fresh[row.conversation_id].append(row)
        surveyed = await self._survey(past, fresh)
        await self._many(_UPDATE, (_changed(past[one], fresh[one], surveyed[one][0]) for one in fresh))
        holes = {one: missing for one, (_, missing) in surveyed.items() if missing}
        conflicts = [(row.conversation_id, row.number) for row in taken]
        return Added(new, holes, len(odd) + len(taken), conflicts)

    async def lock(self, ids: Iterable[str]) -> Past:
        """Rows of these conversations, made where there are none, ours until the end of the transaction.

        Conversations that were erased are left out.
        """
        ordered, there, past = sorted(ids), set[str](), Past()
        key = conversations.c.conversation_id
        for part in _parts(ordered):
            there |= set((await self._connection.execute(select(key).where(key.in_(part)))).scalars())
        blanks = (_blank(one) for one in ordered if one not in there)
        await self._many(self._insert(conversations).on_conflict_do_nothing(), blanks)
        for part in _parts(ordered):
            query = select(conversations).where(key.in_(part)).order_by(key).with_for_update()
            past |= {row.conversation_id: dict(row._mapping) for row in await self._connection.execute(query)}
        made = [one for one, row in past.items() if row["last_number"] == 0]
        gone = await self._erased(made)
        looks = ({"conversation_id": one, "looked_ms": 0, "number": 0} for one in made if one not in gone)
        await self._many(self._insert(retirements).on_conflict_do_nothing(), looks)
        return {one: row for one, row in past.items() if one not in gone}

    async def _erased(self, made: Sequence[str]) -> set[str]:
        """Those that are to stay away; the rows that were made to look are taken back."""
        gone: set[str] = set()
        for part in _parts(made):
            query = select(erasures.c.conversation_id).where(erasures.c.conversation_id.in_(part))
            gone |= set((await self._connection.execute(query)).scalars())
        if gone:
            await self._connection.execute(conversations.delete().where(conversations.c.conversation_id.in_(gone)))
        return gone

    async def _sift(self, rows: Sequence[Row], past: Past) -> tuple[list[Row], list[Row]]:
        """New ones, and those whose place is taken by another body: a log that was set back (a restored Redis)."""
        known = await self._bodies(row for row in rows if row.number <= past[row.conversation_id]["last_number"])
        new: list[Row] = []
        taken: list[Row] = []
        for row in rows:
            place = (row.conversation_id, row.number)
            if place not in known:
                known[place] = row.body
                new.append(row)
            elif known[place] != row.body:
                taken.append(row)
        return new, taken

    async def _bodies(self, rows: Iterable[Row]) -> dict[Place, bytes]:
        key = (events.c.conversation_id, events.c.number)
        bodies: dict[Place, bytes] = {}
        for part in _parts(sorted({(row.conversation_id, row.number) for row in rows})):
            # Joined, for SQLite reads the whole table for pairs in a list.
            asked = values(*(column(one.name, one.type) for one in key), name="asked").data(part).cte("asked")
            same = and_(*(asked.c[one.name] == one for one in key))
            query = select(*key, events.c.body).select_from(asked.join(events, same))
            found = await self._connection.execute(query)
            bodies |= {(row[0], row[1]): row[2] for row in found}
        return bodies

    async def _add_strays(self, odd: Sequence[Stray]) -> None:
        ordered = sorted(odd, key=lambda one: one.id)
        values = ({"id": one.id, "label": one.label, "reason": one.reason, "body": one.body} for one in ordered)
        await self._many(self._insert(strays).on_conflict_do_nothing(), values)

    async def _survey(self, past: Past, fresh: dict[str, list[Row]]) -> dict[str, tuple[int, list[Span]]]:
        """For each conversation up to where it is whole now, and what is missing; told again until it is given up."""
        beyond = {one: {row.number for row in fresh[one]} if one in fresh else set() for one in past}
        broken = [one for one, row in past.items() if row["settled_to"] < row["last_number"]]
        for part in _parts(broken):
            joined = events.join(conversations, conversations.c.conversation_id == events.c.conversation_id)
            query = select(events.c.conversation_id, events.c.number).select_from(joined)
            query = query.where(
                events.c.conversation_id.in_(part), events.c.number > conversations.c.settled_to
            )  # the conversation's row is as it was
            for conversation_id, number in await self._connection.execute(query):
                beyond[conversation_id].add(number)
        return {one: survey(row["settled_to"], sorted(beyond[one])) for one, row in past.items()}

    async def _many(self, statement: Any, values: Iterable[dict[str, Any]]) -> None:
        """One statement for each: as one prepared statement, with the next sent before the last has answered."""
        if given := list(values):
            await self._connection.execute(statement, given)


def _blank(conversation_id: str) -> dict[str, Any]:
    return {"conversation_id": conversation_id, **dict.fromkeys(_IDS, ""), **dict.fromkeys(_CHANGING[len(_IDS) :], 0)}


def _changed(past: dict[str, Any], new: Sequence[Row], settled: int) -> dict[str, Any]:
    """The conversation after these rows, as _UPDATE takes it."""
    times = [row.time_ms for row in new if row.time_ms]
    values = {
        **{name: past[name] or next((value for row in new if (value := getattr(row, name))), "") for name in _IDS},
        "opened_ms": min((time for time in (*times, past["opened_ms"]) if time), default=0),
        "last_ms": max(past["last_ms"], *times, 0),
        "last_number": max(past["last_number"], *(row.number for row in new)),
        "settled_to": settled,
    }
    return {"of": past["conversation_id"], **{f"to_{name}": value for name, value in values.items()}}


def _parts(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE)]
