"""The sample hotel with a room and a stay for every guest of a run, and a look at what was booked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.brain.domain.hotel import Reservation, Status
from services.brain.pms.sample import TIMEZONE, harbour
from services.brain.pms.sqlite import SqlitePms


class Booked(NamedTuple):
    """One row of the hotel's bookings."""

    customer: str
    offer_id: str
    charges: int


async def seed(path: Path, guests: list[str]) -> None:
    """Make the hotel's file, with a stay for each of these customers."""
    today = datetime.now(UTC).astimezone(ZoneInfo(TIMEZONE)).date()
    stays = tuple(
        Reservation(
            code=f"C{at:05}",
            property_id="harbour",
            customer_id=guest,
            first_name="Robin",
            last_name="Guest",
            room=f"c{at}",
            room_type="standard",
            status=Status.IN_HOUSE,
            arrival=today - timedelta(days=2),
            departure=today + timedelta(days=2),
            adults=1,
            eta=None,
        )
        for at, guest in enumerate(guests)
    )
    pms = await SqlitePms.open(path, replace(harbour(today), reservations=stays), lambda: datetime.now(UTC))
    await pms.close()


def bookings(path: Path) -> list[Booked]:
    """Every booking, read from the file itself."""
    query = """
        SELECT reservations.customer_id, bookings.offer_id, count(charges.booking_id)
        FROM bookings JOIN offers ON offers.id = bookings.offer_id
        JOIN reservations ON reservations.code = offers.reservation_code
        LEFT JOIN charges ON charges.booking_id = bookings.id
        GROUP BY bookings.id
    """
    with closing(_open(path)) as file:
        return [Booked(*row) for row in file.execute(query)]


def taken(path: Path, key: str) -> bool:
    """Whether the hotel has taken the side effect of this idempotency key."""
    query = "SELECT 1 FROM offers WHERE key = :key UNION ALL SELECT 1 FROM bookings WHERE key = :key"
    with closing(_open(path)) as file:
        return file.execute(query, {"key": key}).fetchone() is not None


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
