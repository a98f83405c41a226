"""The archive keeps every event once, by (conversation, number), whatever arrives and however often."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy.engine import make_url

from libs.contracts.events import AnyEvent
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.domain.gaps import Span
from services.context_store.domain.rows import Row, row_of
from services.context_store.ports import ArchiveUnavailable
from tests.talk import Talk, body_of


def _row(talk: Talk, number: int = 0, body: bytes = b"") -> Row:
    event = talk.asks("Hi", "turn")
    row = row_of(talk.conversation_id, number or event.number, body or body_of(event))
    assert isinstance(row, Row)
    return row


def _read(url: str, sql: str) -> list[tuple[object, ...]]:
    """What the file says, asked by somebody else."""
    with sqlite3.connect(make_url(url).database or "") as connection:
        return connection.execute(sql).fetchall()


async def test_a_batch_is_kept_and_comes_back_in_order(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [_row(talk) for _ in range(3)]

    added = await archive.add([rows[2], rows[0], rows[1]], [])

    assert sorted(row.number for row in added.new) == [1, 2, 3]
    assert added.holes == {}
    kept = await archive.rows("conv-1", after=0, limit=10)
    assert [(row.number, row.body, row.event()) for row in kept] == [
        (row.number, row.body, row.event()) for row in rows
    ]


async def test_a_batch_that_comes_again_adds_nothing(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [_row(talk) for _ in range(3)]
    await archive.add(rows[:2], [])

    again = await archive.add([*rows, rows[2]], [])

    assert [row.number for row in again.new] == [3]
    assert again.strays == 0
    assert len(await archive.rows("conv-1", after=0, limit=10)) == 3


async def test_two_writers_at_once_add_each_row_once(archive: SqlArchive, archive_url: str) -> None:
    other = await open_archive(archive_url)
    talk = Talk()
    rows = [_row(talk) for _ in range(40)]

    results = await asyncio.gather(*(one.add(rows, []) for one in (archive, other, archive, other)))

    assert sum(len(result.new) for result in results) == 40
    assert all(result.strays == 0 for result in results)
    await other.close()


async def test_more_rows_than_one_statement_takes(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [_row(talk) for _ in range(1_203)]

    assert len((await archive.add(rows, [])).new) == 1_203
    assert (await archive.add(rows, [])).new == []


async def test_a_hole_is_told_until_it_is_filled(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [_row(talk) for _ in range(6)]

    first = await archive.add([rows[0], rows[3], rows[5]], [])
    again = await archive.add([rows[5]], [])
    filled = await archive.add([rows[1], rows[2], rows[4]], [])

    assert first.holes == again.holes == {"conv-1": [Span(2, 3), Span(5, 5)]}
    assert filled.holes == {}


async def test_a_hole_that_was_given_up_is_told_no_more_and_can_still_be_filled(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [_row(talk) for _ in range(6)]
    await archive.add([rows[0], rows[3]], [])

    await archive.give_up("conv-1", 3)

    assert (await archive.add([rows[4]], [])).holes == {}
    assert len((await archive.add([rows[1]], [])).new) == 1


async def test_another_event_under_a_taken_number_is_kept_aside(archive: SqlArchive, archive_url: str) -> None:
    """A Redis restored from an older copy gives a number out twice."""
    talk = Talk()
    first = _row(talk)
    await archive.add([first], [])
    other = _row(talk, number=1)

    added = await archive.add([other], [])
    again = await archive.add([other], [])

    assert (added.new, added.strays, added.conflicts) == ([], 1, [("conv-1", 1)])
    assert again.new == []
    assert [row.body for row in await archive.rows("conv-1", after=0, limit=9)] == [first.body]
    assert _read(archive_url, "SELECT body FROM strays") == [(other.body,)]


async def test_a_body_that_cannot_be_read_is_kept_as_it_came(archive: SqlArchive) -> None:
    added = await archive.add([_row(Talk(), number=1, body=b"\xff\x00 garbage")], [])

    (row,) = await archive.rows("conv-1", after=0, limit=9)
    assert (row.kind, row.body) == ("unknown", b"\xff\x00 garbage")
    assert row.reason
    assert len(added.new) == 1


async def test_the_property_is_learned_from_the_first_event_that_can_be_read(archive: SqlArchive) -> None:
    talk = Talk()
    await archive.add([_row(talk, number=1, body=b"garbage")], [])
    assert await archive.property_of("conv-1") == ""
    assert await archive.property_of("conv-2") is None

    await archive.add([_row(talk, number=2)], [])

    assert await archive.property_of("conv-1") == "harbour"
    assert await archive.conversation("harbour", "conv-1") is not None
    assert await archive.conversation("other", "conv-1") is None


async def test_conversations_are_listed_the_latest_first_in_pages(archive: SqlArchive) -> None:
    for number in range(5):
        talk = Talk(f"conv-{number}", begin_ms=1_000 * (number // 2))  # two of the same time in each pair
        await archive.add([_row(talk)], [])
    await archive.add([_row(Talk("theirs", property_id="other"))], [])

    seen: list[str] = []
    before = None
    while page := await archive.conversations("harbour", limit=2, before=before):
        seen += [kept.conversation_id for kept in page]
        before = (page[-1].last_ms, page[-1].conversation_id)

    assert seen == ["conv-4", "conv-3", "conv-2", "conv-1", "conv-0"]


async def test_conversations_of_a_guest(archive: SqlArchive) -> None:
    for number, (customer, reservation) in enumerate([("C-1", ""), ("C-2", "R-1"), ("C-1", "R-2")]):
        talk = Talk(f"conv-{number}")
        row = row_of(f"conv-{number}", 1, body_of(talk.opened(customer_id=customer, reservation_id=reservation)))
        assert isinstance(row, Row)
        await archive.add([row], [])

    of_customer = await archive.conversations("harbour", limit=9, customer_id="C-1")
    of_reservation = await archive.conversations("harbour", limit=9, reservation_id="R-1")

    assert {kept.conversation_id for kept in of_customer} == {"conv-0", "conv-2"}
    assert [kept.conversation_id for kept in of_reservation] == ["conv-1"]


async def test_a_conversation_knows_when_it_began_and_where_it_is(archive: SqlArchive) -> None:
    talk = Talk(begin_ms=5_000)
    rows = [_row(talk) for _ in range(3)]
    await archive.add([rows[1]], [])
    await archive.add([rows[2], rows[0]], [])

    kept = await archive.conversation("harbour", "conv-1")

    assert kept is not None
    assert (kept.opened_ms, kept.last_ms, kept.last_number) == (5_001, 5_003, 3)


async def test_rows_of_some_kinds_after_a_number(archive: SqlArchive) -> None:
    talk = Talk()
    events: list[AnyEvent] = [talk.opened(), talk.asks("Hi", "t"), talk.noted(room="1"), talk.noted(room="2")]
    await archive.add(
        [row for event in events if isinstance(row := row_of("conv-1", event.number, body_of(event)), Row)], []
    )

    noted = await archive.rows("conv-1", after=0, limit=9, kinds=("context.updated",))

    assert [row.number for row in noted] == [3, 4]
    assert [row.number for row in await archive.rows("conv-1", after=2, limit=1)] == [3]


async def test_it_is_kept_over_a_restart(archive: SqlArchive, archive_url: str) -> None:
    await archive.add([_row(Talk())], [])
    await archive.close()

    again = await open_archive(archive_url)

    assert len(await again.rows("conv-1", after=0, limit=9)) == 1
    await again.close()


async def test_the_embedded_database_survives_a_power_cut_and_lets_readers_read(
    archive: SqlArchive, archive_url: str
) -> None:
    assert _read(archive_url, "PRAGMA journal_mode") == [("wal",)]


async def test_an_archive_of_a_newer_release_is_refused(archive: SqlArchive, archive_url: str) -> None:
    with sqlite3.connect(make_url(archive_url).database or "") as connection:
        connection.execute("INSERT INTO archive_schema VALUES (99)")

    with pytest.raises(ArchiveUnavailable, match="99"):
        await open_archive(archive_url)


async def test_a_database_that_fails_is_one_typed_error_and_nothing_is_written(
    archive: SqlArchive, archive_url: str
) -> None:
    with sqlite3.connect(make_url(archive_url).database or "") as connection:
        connection.execute("DROP TABLE conversations")

    with pytest.raises(ArchiveUnavailable):
        await archive.add([_row(Talk())], [])

    assert _read(archive_url, "SELECT count(*) FROM events") == [(0,)]


async def test_a_database_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        await open_archive("mysql+aiomysql://localhost/x")
