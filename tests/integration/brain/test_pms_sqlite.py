"""The SQLite hotel: the port's promises, over restarts and several processes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import date, time, timedelta
from pathlib import Path

import pytest

from services.brain.pms.sample import harbour
from services.brain.pms.schema import connect
from services.brain.pms.sqlite import SqlitePms
from services.brain.ports import Unavailable
from tests.integration.brain.hotels import crowded
from tests.integration.brain.pms_conformance import NOW, Clock, PmsConformance

HOTEL = harbour(NOW.date())
ROOT = Path(__file__).parents[3]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "hotel.sqlite3"


@pytest.fixture
async def pms(path: Path, clock: Clock) -> AsyncIterator[SqlitePms]:
    made = await SqlitePms.open(path, HOTEL, clock)
    yield made
    await made.close()


class TestSqlitePms(PmsConformance):
    pass


async def test_a_booking_outlives_its_process(path: Path, clock: Clock) -> None:
    before = await SqlitePms.open(path, HOTEL, clock)
    offer = await before.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
    booking = await before.accept_offer("harbour", offer_id=offer.id, key="k2")
    await before.close()

    after = await SqlitePms.open(path, HOTEL, clock)
    assert await after.settle("harbour", key="k2") == booking
    assert await after.accept_offer("harbour", offer_id=offer.id, key="k3") == booking
    await after.close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT text, amount_minor FROM charges").fetchall() == [
            ("Late check-out until 14:00", 3500)
        ]


async def test_several_start_at_once(path: Path, clock: Clock) -> None:
    started = await asyncio.gather(*(SqlitePms.open(path, HOTEL, clock) for _ in range(4)))
    found = [await pms.reservations("harbour", customer_id="guest-204") for pms in started]
    for pms in started:
        await pms.close()

    assert [len(stays) for stays in found] == [1, 1, 1, 1]


async def test_starts_while_another_makes_the_file(path: Path, clock: Clock) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE its (own)")
        other.execute("BEGIN IMMEDIATE")
        # While it is held SQLite refuses the switch to WAL at once, whatever the timeout.
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
        pms = await SqlitePms.open(path, HOTEL, clock)
    [stay] = await pms.reservations("harbour", customer_id="guest-204")
    await pms.close()

    assert stay.code == "HB2041"


async def test_the_sample_moves_along_with_the_calendar(path: Path, clock: Clock) -> None:
    first = await SqlitePms.open(path, HOTEL, clock)
    offer = await first.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
    await first.accept_offer("harbour", offer_id=offer.id, key="k2")
    await first.close()

    clock.now = NOW + timedelta(days=30)
    later = await SqlitePms.open(path, harbour(clock.now.date()), clock)
    [stay] = await later.reservations("harbour", customer_id="guest-204")
    booking = await later.settle("harbour", key="k2")
    await later.close()

    assert (stay.arrival, stay.departure) == (date(2026, 12, 20), date(2026, 12, 23))
    assert booking is not None
    assert booking.departure == stay.departure


async def test_a_hotel_that_was_filled_by_somebody_else_is_used_as_it_is(path: Path, clock: Clock) -> None:
    mine = await SqlitePms.open(path, crowded(NOW.date(), 400), clock)
    await mine.close()

    brains = await SqlitePms.open(path, HOTEL, clock)
    [last] = await brains.reservations("harbour", customer_id="crowd-399")
    await brains.close()

    assert last.code == "HC1399"
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM reservations").fetchone() == (410,)


async def test_processes_book_once(path: Path, clock: Clock, pms: SqlitePms) -> None:
    offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.brain.booking_process", path, offer.id, f"key-{n}"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for n in range(3)
    ]
    for process in processes:
        assert process.stdout
        assert (await asyncio.wait_for(process.stdout.readline(), 30)).strip() == b"ready"
    told = await asyncio.wait_for(asyncio.gather(*(process.communicate(b"go\n") for process in processes)), 30)

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({out for out, _ in told}) == 1
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM bookings").fetchone() == (1,)
        assert raw.execute("SELECT count(*) FROM charges").fetchone() == (1,)


async def test_a_locked_file_is_unavailable_and_writes_nothing(path: Path, clock: Clock, pms: SqlitePms) -> None:
    offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
    impatient = SqlitePms(connect(path, busy_s=0.05), clock)
    with sqlite3.connect(path, isolation_level=None) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await impatient.accept_offer("harbour", offer_id=offer.id, key="k2")
        raw.execute("ROLLBACK")

    assert await impatient.settle("harbour", key="k2") is None
    assert await impatient.accept_offer("harbour", offer_id=offer.id, key="k2")
    await impatient.close()
