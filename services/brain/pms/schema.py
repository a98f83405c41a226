"""Tables of the SQLite hotel system, and how its file is made: created and filled once, whoever of several brains comes
first, and moved along with the calendar, so that the sample's guests are always in house."""

from __future__ import annotations

import json
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from libs.sqlite import write_ahead
from services.brain.domain.hotel import Fact, LateCheckoutPolicy, Property, Reservation
from services.brain.domain.money import Money
from services.brain.pms.sample import Hotel

metadata = sa.MetaData()

properties = sa.Table(
    "properties",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("timezone", sa.String, nullable=False),
    sa.Column("currency", sa.String, nullable=False),
    sa.Column("check_in_from", sa.Time, nullable=False),
    sa.Column("check_out_until", sa.Time, nullable=False),
    sa.Column("late_checkout", sa.String, nullable=False),  # the policy, JSON
    sa.Column("as_of", sa.Date, nullable=False),  # the day that the sample's stays are placed around
)

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("property_id", sa.ForeignKey("properties.id"), primary_key=True),
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),
)

room_types = sa.Table(
    "room_types",
    metadata,
    sa.Column("property_id", sa.ForeignKey("properties.id"), primary_key=True),
    sa.Column("code", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("rooms", sa.Integer, nullable=False),
    sa.Column("max_guests", sa.Integer, nullable=False),
    sa.Column("night_minor", sa.Integer, nullable=False),
    sa.Column("weekend_minor", sa.Integer, nullable=False),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("code", sa.String, primary_key=True),
    sa.Column("property_id", sa.ForeignKey("properties.id"), nullable=False),
    sa.Column("customer_id", sa.String, nullable=False, index=True),
    sa.Column("first_name", sa.String, nullable=False),
    sa.Column("last_name", sa.String, nullable=False, index=True),
    sa.Column("room", sa.String, nullable=False, index=True),
    sa.Column("room_type", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("arrival", sa.Date, nullable=False),
    sa.Column("departure", sa.Date, nullable=False),
    sa.Column("adults", sa.Integer, nullable=False),
    sa.Column("eta", sa.Time),
    sa.Column("check_out_at", sa.Time),
)

offers = sa.Table(
    "offers",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("property_id", sa.ForeignKey("properties.id"), nullable=False),
    sa.Column("reservation_code", sa.ForeignKey("reservations.code"), nullable=False),
    sa.Column("departure", sa.Date, nullable=False),
    sa.Column("requested", sa.Time, nullable=False),
    sa.Column("until", sa.Time, nullable=False),
    sa.Column("price_minor", sa.Integer, nullable=False),
    sa.Column("currency", sa.String, nullable=False),
    sa.Column("expires_ms", sa.Integer, nullable=False),
    sa.Column("status", sa.String, nullable=False),
)

bookings = sa.Table(
    "bookings",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("offer_id", sa.ForeignKey("offers.id"), nullable=False, unique=True),
    sa.Column("booked_ms", sa.Integer, nullable=False),
)

charges = sa.Table(
    "charges",
    metadata,
    sa.Column("booking_id", sa.ForeignKey("bookings.id"), primary_key=True),
    sa.Column("reservation_code", sa.ForeignKey("reservations.code"), nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("amount_minor", sa.Integer, nullable=False),
    sa.Column("currency", sa.String, nullable=False),
)


def connect(path: Path, *, busy_s: float = 5.0) -> AsyncEngine:
    """An engine over the file at `path`. Transactions with the option `write=True` take the write lock at once, so that
    what they read stays true until they commit; others wait for it `busy_s` seconds."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": busy_s})

    @event.listens_for(engine.sync_engine, "connect")
    def _opened(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # begin is ours, below: the driver's own is always deferred
        connection.run_async(lambda opened: write_ahead(opened, busy_s))
        cursor = connection.cursor()
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


async def prepare(engine: AsyncEngine, hotel: Hotel) -> None:
    """Create and fill the file if it is new; otherwise move its stays to `hotel.today`. Safe for several at once."""
    async with engine.execution_options(write=True).begin() as connection:
        await connection.run_sync(metadata.create_all)
        found = await connection.execute(sa.select(properties.c.as_of).where(properties.c.id == hotel.property.id))
        as_of = found.scalar_one_or_none()
        if as_of is None:
            await _fill(connection, hotel)
        elif as_of < hotel.today:
            await _move(connection, hotel, hotel.today - as_of)


async def _fill(connection: AsyncConnection, hotel: Hotel) -> None:
    house = hotel.property
    await connection.execute(
        properties.insert().values(
            id=house.id,
            name=house.name,
            timezone=house.timezone,
            currency=house.currency,
            check_in_from=house.check_in_from,
            check_out_until=house.check_out_until,
            late_checkout=_policy_json(house.late_checkout),
            as_of=hotel.today,
        )
    )
    rows = [{"property_id": house.id, "topic": f.topic, "title": f.title, "text": f.text} for f in house.facts.values()]
    await connection.execute(facts.insert(), rows)
    kinds = [
        {
            "property_id": house.id,
            "code": kind.code,
            "name": kind.name,
            "rooms": kind.rooms,
            "max_guests": kind.max_guests,
            "night_minor": kind.night.minor,
            "weekend_minor": kind.weekend.minor,
        }
        for kind in hotel.room_types
    ]
    await connection.execute(room_types.insert(), kinds)
    await connection.execute(reservations.insert(), [_stay_row(stay) for stay in hotel.reservations])


async def _move(connection: AsyncConnection, hotel: Hotel, by: timedelta) -> None:
    stays = await connection.execute(sa.select(reservations).where(reservations.c.property_id == hotel.property.id))
    for stay in stays.all():
        await connection.execute(
            reservations.update()
            .where(reservations.c.code == stay.code)
            .values(arrival=stay.arrival + by, departure=stay.departure + by)
        )
    made = await connection.execute(sa.select(offers.c.id, offers.c.departure))
    for offer in made.all():
        await connection.execute(offers.update().where(offers.c.id == offer.id).values(departure=offer.departure + by))
    await connection.execute(properties.update().where(properties.c.id == hotel.property.id).values(as_of=hotel.today))


def _stay_row(stay: Reservation) -> dict[str, date | time | str | int | None]:
    names = reservations.c.keys()
    return {name: getattr(stay, name) for name in names}


def _policy_json(policy: LateCheckoutPolicy) -> str:
    return json.dumps(
        {
            "latest": policy.latest.isoformat(),
            "tiers": [[minutes, price.minor] for minutes, price in policy.tiers],
            "cleaning_minutes": policy.cleaning_minutes,
            "step_minutes": policy.step_minutes,
            "offer_minutes": policy.offer_minutes,
        }
    )


def policy_of(text: str, currency: str) -> LateCheckoutPolicy:
    """The inverse of how a policy is stored."""
    stored = json.loads(text)
    return LateCheckoutPolicy(
        latest=time.fromisoformat(stored["latest"]),
        tiers=tuple((minutes, Money(price, currency)) for minutes, price in stored["tiers"]),
        cleaning_minutes=stored["cleaning_minutes"],
        step_minutes=stored["step_minutes"],
        offer_minutes=stored["offer_minutes"],
    )


def property_of(row: sa.Row[Any], known: dict[str, Fact]) -> Property:
    """A row of `properties` with its facts."""
    return Property(
        id=row.id,
        name=row.name,
        timezone=row.timezone,
        currency=row.currency,
        check_in_from=row.check_in_from,
        check_out_until=row.check_out_until,
        late_checkout=policy_of(row.late_checkout, row.currency),
        facts=known,
    )
