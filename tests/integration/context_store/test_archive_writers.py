"""Two stores write to one archive at the same time: each event once, and none waits for ever or wipes anything out."""

from __future__ import annotations

import asyncio

from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.adapters.sql_engine import Database
from services.context_store.domain.rows import Row, Stray, row_of, stray
from tests.integration.context_store.stories import row_in
from tests.talk import Talk, body_of


async def test_two_writers_at_once_add_each_row_once(archive: SqlArchive, database: Database) -> None:
    other = await open_archive(database)
    talk = Talk()
    rows = [row_in(talk) for _ in range(40)]

    results = await asyncio.gather(*(one.add(rows, []) for one in (archive, other, archive, other)))

    assert sum(len(result.new) for result in results) == 40
    assert all(result.strays == 0 for result in results)
    await other.close()


async def test_writers_whose_conversations_cross_do_not_wait_for_each_other_in_a_circle(
    archive: SqlArchive, database: Database
) -> None:
    other = await open_archive(database)
    talks = [Talk(f"conv-{number}") for number in range(30)]
    rows = [row_in(talk) for _ in range(4) for talk in talks]
    odd = [stray(f"conv-{number}", 0, b"x", "odd") for number in range(30)]

    async def write(one: SqlArchive, rows: list[Row], odd: list[Stray]) -> int:
        parts = [rows[at : at + 45] for at in range(0, len(rows), 45)]
        return sum([len((await one.add(part, odd)).new) for part in parts])

    added = await asyncio.gather(write(archive, rows, odd), write(other, rows[::-1], odd[::-1]))
    await other.close()

    assert sum(added) == len(rows)
    for talk in talks:
        kept = await archive.conversation("harbour", talk.conversation_id)
        assert kept
        assert (kept.last_number, kept.opened_ms, kept.last_ms) == (4, 1_001, 1_004)
    assert (await archive.add(rows, [])).holes == {}


async def test_a_later_writer_wiped_out_what_the_first_knew_of_a_new_conversation(
    archive: SqlArchive, database: Database
) -> None:
    """Both find no conversation; the second writes its own, without the guest and with the lower number."""
    other = await open_archive(database)
    for number in range(20):
        talk = Talk(f"conv-{number}")
        opened = row_of(talk.conversation_id, 1, body_of(talk.opened(customer_id="C-1")))
        later = [row_in(talk) for _ in range(3)]
        assert isinstance(opened, Row)

        await asyncio.gather(archive.add([opened, *later[1:]], []), other.add([later[0]], []))

        kept = await archive.conversation("harbour", talk.conversation_id)
        assert kept
        assert (kept.customer_id, kept.last_number) == ("C-1", 4)
    await other.close()
