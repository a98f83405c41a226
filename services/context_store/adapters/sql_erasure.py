"""Conversations out of the archive for good: for whoever a guest asks to be forgotten by."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.context_store.adapters.sql_batch import Batch
from services.context_store.adapters.sql_schema import conversations, erasures, events, retirements, strays
from services.context_store.domain.rows import stray_label


async def erase(connection: AsyncConnection, batch: Batch, conversation_ids: Sequence[str], now_ms: int) -> int:
    """In the transaction of `connection`; how many events went.

    Whoever writes to one of them at the same time is waited for, or finds that it is erased.
    """
    ids = list(await batch.lock(conversation_ids))
    if not ids:
        return 0  # all of them were erased before
    gone = await connection.execute(events.delete().where(events.c.conversation_id.in_(ids)))
    for table in (retirements, conversations):
        await connection.execute(table.delete().where(table.c.conversation_id.in_(ids)))
    labelled = (strays.c.label.startswith(stray_label(one), autoescape=True) for one in ids)
    await connection.execute(strays.delete().where(or_(*labelled)))
    await connection.execute(erasures.insert(), [{"conversation_id": one, "erased_ms": now_ms} for one in ids])
    return gone.rowcount
