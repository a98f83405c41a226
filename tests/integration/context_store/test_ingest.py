"""From the stream into the archive: once each, holes mended from the log, nothing that loops."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from libs.bus.events import Record
from libs.contracts.codec import decode
from libs.contracts.errors import BusUnavailable, MalformedMessage
from libs.contracts.events import AnyEvent
from services.context_store.adapters.sql_archive import SqlArchive
from services.context_store.ingest import Ingest, Tally
from tests.integration.context_store.hot import HotConversations
from tests.talk import Talk, body_of


def records(*events: AnyEvent) -> list[Record]:
    return [record(event.conversation_id, event.number, body_of(event)) for event in events]


def record(conversation_id: str, number: int, body: bytes) -> Record:
    try:
        return Record(conversation_id, number, body, decode(body, number))
    except MalformedMessage as error:
        return Record(conversation_id, number, body, None, error.detail)


class Station:
    """An ingest, and what it told."""

    def __init__(self, archive: SqlArchive, hot: HotConversations) -> None:
        self.archive = archive
        self.hot = hot
        self.events: list[AnyEvent] = []
        self.tallies: list[Tally] = []
        self.take = Ingest(archive, hot, on_event=self.events.append, on_batch=self.tallies.append)

    def total(self) -> Tally:
        names = Tally.__struct_fields__
        return Tally(**{name: sum(getattr(tally, name) for tally in self.tallies) for name in names})

    async def numbers(self, conversation_id: str = "conv-1") -> list[int]:
        return [row.number for row in await self.archive.rows(conversation_id, after=0, limit=1_000)]


@pytest.fixture
def station(archive: SqlArchive, hot: HotConversations) -> Station:
    return Station(archive, hot)


def some(talk: Talk, count: int) -> list[AnyEvent]:
    events: Sequence[AnyEvent] = [talk.opened(), *(talk.asks(f"line {n}", f"turn-{n}") for n in range(count - 1))]
    return list(events)


async def test_each_event_is_kept_and_told_once(station: Station) -> None:
    events = some(Talk(), 4)

    await station.take(records(*events[:3]))
    await station.take(records(*events))
    await station.take(records(*events))

    assert await station.numbers() == [1, 2, 3, 4]
    assert station.events == events
    assert station.total() == Tally(new=4, duplicate=7)


async def test_a_hole_is_mended_from_the_log(station: Station) -> None:
    events = some(Talk(), 8)
    station.hot.hold(*events)

    await station.take(records(events[0], events[3], events[7]))

    assert await station.numbers() == list(range(1, 9))
    assert sorted(event.number for event in station.events) == list(range(1, 9))
    assert station.total() == Tally(new=3, healed=5)


async def test_what_the_log_has_no_more_is_lost_and_asked_for_once(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    events = some(Talk(), 8)
    station.hot.hold(*events[4:])

    await station.take(records(events[0], events[6]))
    reads = station.hot.reads
    await station.take(records(events[7]))

    assert await station.numbers() == [1, 5, 6, 7, 8]
    assert station.hot.reads == reads
    assert station.total() == Tally(new=3, healed=2, lost=3)
    assert "events are lost" in caplog.text


async def test_a_hole_of_a_conversation_that_redis_forgot_is_lost(station: Station) -> None:
    events = some(Talk(), 3)

    await station.take(records(events[0], events[2]))

    assert station.total().lost == 1
    assert await station.numbers() == [1, 3]


async def test_with_redis_away_a_hole_waits_and_nothing_is_given_up(station: Station) -> None:
    events = some(Talk(), 3)
    station.hot.hold(*events)
    station.hot.away = True
    with pytest.raises(BusUnavailable):
        await station.take(records(events[0], events[2]))

    station.hot.away = False
    await station.take(records(events[0], events[2]))  # the bus brings the batch again

    assert await station.numbers() == [1, 2, 3]
    assert sorted(event.number for event in station.events) == [1, 2, 3]
    assert station.total().lost == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"\xff\x00", b'{"type":"minibar.opened"}', b'{"type":"message.received","v":2}'],
    ids=ascii,
)
async def test_a_body_that_cannot_be_read_is_kept_and_is_no_hole(station: Station, body: bytes) -> None:
    talk = Talk()
    first, _, third = some(talk, 3)

    await station.take([*records(first), record("conv-1", 2, body), *records(third)])

    assert await station.numbers() == [1, 2, 3]
    assert station.total() == Tally(new=3, unknown=1)
    assert station.events == [first, third]


async def test_what_cannot_be_read_is_mended_too(station: Station) -> None:
    first, second, third = some(Talk(), 3)
    station.hot.hold(first, third)
    station.hot.hold_raw("conv-1", 2, b"from a newer release")

    await station.take(records(first, third))

    assert await station.numbers() == [1, 2, 3]
    assert second not in station.events


async def test_entries_without_a_place_do_not_stop_the_others(station: Station) -> None:
    first, second = some(Talk(), 2)
    moved = msgspec.structs.replace(second, conversation_id="conv-9")

    await station.take(
        [
            record("no conversation", 1, b"x"),
            record("conv-1", 0, b"x"),
            record("conv-1", 2**63, b"x"),
            record("conv-1", 7, body_of(moved)),
            *records(first, second),
        ]
    )

    assert await station.numbers() == [1, 2]
    assert station.total() == Tally(new=2, stray=4)


async def test_an_empty_batch_is_nothing(station: Station) -> None:
    await station.take([])

    assert station.total() == Tally()
