"""The archive keeps every event once, by (conversation, number), whatever arrives and however often."""

from __future__ import annotations

import msgspec
import pytest

from libs.contracts.events import AnyEvent
from libs.contracts.limits import MAX_EVENT_BYTES
from services.context_store.adapters.sql_archive import SqlArchive, open_archive
from services.context_store.adapters.sql_engine import Database
from services.context_store.domain.gaps import Span
from services.context_store.domain.rows import Row, row_of, stray
from services.context_store.ports import ArchiveRefused, ArchiveUnavailable
from tests.integration.context_store.asked import ask
from tests.integration.context_store.stories import row_in
from tests.talk import Talk, body_of


async def test_a_batch_is_kept_and_comes_back_in_order(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [row_in(talk) for _ in range(3)]

    added = await archive.add([rows[2], rows[0], rows[1]], [])

    assert sorted(row.number for row in added.new) == [1, 2, 3]
    assert added.holes == {}
    kept = await archive.rows("conv-1", after=0, limit=10)
    assert [(row.number, row.body, row.event()) for row in kept] == [
        (row.number, row.body, row.event()) for row in rows
    ]


async def test_a_batch_that_comes_again_adds_nothing(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [row_in(talk) for _ in range(3)]
    await archive.add(rows[:2], [])

    again = await archive.add([*rows, rows[2]], [])

    assert [row.number for row in again.new] == [3]
    assert again.strays == 0
    assert len(await archive.rows("conv-1", after=0, limit=10)) == 3


async def test_more_rows_than_one_statement_takes(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [row_in(talk) for _ in range(1_203)]

    assert len((await archive.add(rows, [])).new) == 1_203
    assert (await archive.add(rows, [])).new == []


async def test_a_hole_is_told_until_it_is_filled(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [row_in(talk) for _ in range(6)]

    first = await archive.add([rows[0], rows[3], rows[5]], [])
    again = await archive.add([rows[5]], [])
    filled = await archive.add([rows[1], rows[2], rows[4]], [])

    assert first.holes == again.holes == {"conv-1": [Span(2, 3), Span(5, 5)]}
    assert filled.holes == {}


async def test_a_hole_that_was_given_up_is_told_no_more_and_can_still_be_filled(archive: SqlArchive) -> None:
    talk = Talk()
    rows = [row_in(talk) for _ in range(6)]
    await archive.add([rows[0], rows[3]], [])

    await archive.give_up("conv-1", 3)

    assert (await archive.add([rows[4]], [])).holes == {}
    assert len((await archive.add([rows[1]], [])).new) == 1


async def test_another_event_under_a_taken_number_is_kept_aside(archive: SqlArchive, database: Database) -> None:
    """A Redis restored from an older copy gives a number out twice."""
    talk = Talk()
    first = row_in(talk)
    await archive.add([first], [])
    other = row_in(talk, number=1)

    added = await archive.add([other], [])
    again = await archive.add([other], [])

    assert (added.new, added.strays, added.conflicts) == ([], 1, [("conv-1", 1)])
    assert again.new == []
    assert [row.body for row in await archive.rows("conv-1", after=0, limit=9)] == [first.body]
    assert await ask(database, "SELECT body FROM strays") == [(other.body,)]


async def test_a_body_that_cannot_be_read_is_kept_as_it_came(archive: SqlArchive) -> None:
    added = await archive.add([row_in(Talk(), number=1, body=b"\xff\x00 garbage")], [])

    (row,) = await archive.rows("conv-1", after=0, limit=9)
    assert (row.kind, row.body) == ("unknown", b"\xff\x00 garbage")
    assert row.reason
    assert len(added.new) == 1


async def test_the_property_is_learned_from_the_first_event_that_can_be_read(archive: SqlArchive) -> None:
    talk = Talk()
    await archive.add([row_in(talk, number=1, body=b"garbage")], [])
    assert await archive.property_of("conv-1") == ""
    assert await archive.property_of("conv-2") is None

    await archive.add([row_in(talk, number=2)], [])

    assert await archive.property_of("conv-1") == "harbour"
    assert await archive.conversation("harbour", "conv-1") is not None
    assert await archive.conversation("other", "conv-1") is None


async def test_conversations_are_listed_the_latest_first_in_pages(archive: SqlArchive) -> None:
    for number in range(5):
        talk = Talk(f"conv-{number}", begin_ms=1_000 * (number // 2))  # two of the same time in each pair
        await archive.add([row_in(talk)], [])
    await archive.add([row_in(Talk("theirs", property_id="other"))], [])

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
    rows = [row_in(talk) for _ in range(3)]
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


async def test_it_is_kept_over_a_restart(archive: SqlArchive, database: Database) -> None:
    await archive.add([row_in(Talk())], [])
    await archive.close()

    again = await open_archive(database)

    assert len(await again.rows("conv-1", after=0, limit=9)) == 1
    await again.close()


async def test_an_archive_of_a_newer_release_is_refused(archive: SqlArchive, database: Database) -> None:
    await ask(database, "INSERT INTO archive_schema VALUES (99)")

    with pytest.raises(ArchiveRefused, match="99"):
        await open_archive(database)


async def test_a_database_that_fails_is_one_typed_error_and_nothing_is_written(
    archive: SqlArchive, database: Database
) -> None:
    await ask(database, "DROP TABLE retirements")

    with pytest.raises(ArchiveUnavailable):
        await archive.add([row_in(Talk())], [])

    assert await ask(database, "SELECT count(*) FROM events") == [(0,)]


async def test_ids_are_in_order_of_their_bytes_whatever_the_databases_language(archive: SqlArchive) -> None:
    """English puts `conv-a` before `conv-B` and passes over the hyphen."""
    names = ["conv-B", "conv-a", "conv.a", "conv_A", "convA", "conv0", "Conv-a"]
    for name in names:
        await archive.add([row_in(Talk(name, begin_ms=1_000))], [])

    seen: list[str] = []
    before = None
    while page := await archive.conversations("harbour", limit=1, before=before):
        seen += [kept.conversation_id for kept in page]
        before = (page[-1].last_ms, page[-1].conversation_id)

    assert seen == sorted(names, reverse=True)


async def test_what_is_large_or_odd_is_kept_as_it_is(archive: SqlArchive) -> None:
    """As large as an event may be, many in one batch; every byte; NUL and beyond the basic plane in text."""
    talk = Talk()
    large = [row_in(talk, body=bytes(range(256)) * (MAX_EVENT_BYTES // 256)) for _ in range(100)]
    opened = talk.opened(customer_id="a\x00b\U0001f6ce\ufffe", reservation_id="\u202eR" * 100)
    odd = row_of("conv-1", 200, body_of(opened))
    assert isinstance(odd, Row)
    last = msgspec.structs.replace(odd, number=2**53, time_ms=2**53, reason="\ud7ff\U0010ffff")

    added = await archive.add([*large, odd, last], [stray("\x00\ud800", 2**200, b"\x00", "\x00\udfff")])

    assert len(added.new) == 102
    assert (await archive.add([*large, odd, last], [])).conflicts == []
    assert [row.body for row in await archive.rows("conv-1", after=0, limit=100)] == [row.body for row in large]
    assert await archive.rows("conv-1", after=199, limit=2) == [
        msgspec.structs.replace(row, property_id="", customer_id="", reservation_id="") for row in (odd, last)
    ]
    kept = await archive.conversation("harbour", "conv-1")
    assert kept
    assert (kept.customer_id, kept.last_ms, kept.last_number) == ("ab\U0001f6ce\ufffe", 2**53, 2**53)


async def test_a_heap_of_rows_and_conversations_in_one_batch(archive: SqlArchive) -> None:
    """More than any database takes values in one statement; found again by asking for each."""
    rows = [row_in(Talk(f"conv-{number}")) for number in range(1_200)]
    talk = Talk("long")
    rows += [row_in(talk) for _ in range(8_000)]

    assert len((await archive.add(rows, [])).new) == 9_200
    assert (await archive.add(rows[:3_000], [])).new == []


async def test_conversations_never_looked_at_are_due_first(archive: SqlArchive) -> None:
    await archive.add([row_in(Talk(f"conv-{number}")) for number in range(4)], [])
    await archive.add([row_in(Talk("odd"), number=1, body=b"garbage")], [])
    await archive.looked_at({"conv-2": 1, "conv-0": 1}, 500)
    await archive.looked_at({"conv-2": 2}, 600)

    due = await archive.due(before_ms=601, limit=9)

    assert [(one.kept.conversation_id, one.number) for one in due[2:]] == [("conv-0", 1), ("conv-2", 2)]
    assert {(one.kept.conversation_id, one.number) for one in due[:2]} == {("conv-1", 0), ("conv-3", 0)}
    assert [one.kept.conversation_id for one in await archive.due(before_ms=600, limit=9)][2:] == ["conv-0"]
    assert len(await archive.due(before_ms=601, limit=3)) == 3
