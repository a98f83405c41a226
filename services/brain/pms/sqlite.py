"""The hotel system in a SQLite file, shared by any number of brain processes. Bookings are atomic and happen once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.brain.domain.calls import offer_id as offer_id_of
from services.brain.domain.hotel import (
    Booking,
    Fact,
    Offer,
    OfferStatus,
    Property,
    Reservation,
    RoomType,
    Status,
    Vacancy,
    vacancies,
)
from services.brain.domain.late_checkout import Refusal, acceptable, make_offer, quote
from services.brain.domain.money import Money
from services.brain.pms import schema
from services.brain.pms.sample import Hotel
from services.brain.ports import NotAvailable, NotFound, OutcomeUnknown, Unavailable

_LIVE = (Status.CONFIRMED.value, Status.IN_HOUSE.value)


class SqlitePms:
    """Pms port over SQLite. `clock` answers the time with its zone."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._writing = engine.execution_options(write=True)
        self._clock = clock
        self._houses: dict[str, Property] = {}

    @classmethod
    async def open(cls, path: Path, hotel: Hotel, clock: Callable[[], datetime]) -> SqlitePms:
        """Open the file at `path`, made from `hotel` at the first start."""
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = schema.connect(path)
        await schema.prepare(engine, hotel)
        return cls(engine, clock)

    async def close(self) -> None:
        await self._engine.dispose()

    async def property(self, property_id: str) -> Property:
        if property_id not in self._houses:
            async with self._reading() as connection:
                self._houses[property_id] = await _property(connection, property_id)
        return self._houses[property_id]

    async def reservations(
        self, property_id: str, *, code: str = "", customer_id: str = "", last_name: str = ""
    ) -> tuple[Reservation, ...]:
        hotel = await self.property(property_id)
        if not (code or customer_id or last_name):
            return ()
        table = schema.reservations.c
        wanted = [table.property_id == property_id, table.status.in_(_LIVE), table.departure >= self._now(hotel).date()]
        if code:
            wanted.append(sa.func.lower(table.code) == code.lower())
        if customer_id:
            wanted.append(table.customer_id == customer_id)
        if last_name:
            wanted.append(sa.func.lower(table.last_name) == last_name.lower())
        query = sa.select(schema.reservations).where(*wanted).order_by(table.departure, table.code)
        async with self._reading() as connection:
            return tuple(_stay(row) for row in (await connection.execute(query)).all())

    async def availability(self, property_id: str, *, arrival: date, nights: int, guests: int) -> tuple[Vacancy, ...]:
        hotel = await self.property(property_id)
        kinds = sa.select(schema.room_types).where(schema.room_types.c.property_id == property_id)
        stays = sa.select(schema.reservations).where(
            schema.reservations.c.property_id == property_id, schema.reservations.c.departure > arrival
        )
        async with self._reading() as connection:
            rooms = [_room_type(row, hotel.currency) for row in (await connection.execute(kinds)).all()]
            taken = [_stay(row) for row in (await connection.execute(stays)).all()]
        return vacancies(rooms, taken, arrival, nights, guests)

    async def propose_late_checkout(self, property_id: str, *, code: str, requested: time, key: str) -> Offer:
        hotel = await self.property(property_id)
        async with self._transaction() as connection:
            if known := await _offer(connection, schema.offers.c.key == key):
                return known
            stay, now = await _stay_by_code(connection, property_id, code), self._now(hotel)
            next_arrival = await _next_arrival(connection, hotel, stay)
            terms = quote(hotel, stay, requested=requested, next_arrival=next_arrival, today=now.date())
            if isinstance(terms, Refusal):
                raise NotAvailable(terms.reason, terms.detail)
            offer = make_offer(offer_id_of(key), hotel, stay, terms, requested=requested, now=now)
            await connection.execute(schema.offers.insert().values(key=key, **_offer_row(offer)))
        return offer

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        hotel = await self.property(property_id)
        async with self._transaction() as connection:
            if booked := await _booking(connection, schema.bookings.c.offer_id == offer_id):
                return booked
            offer, now = await _offer_by_id(connection, property_id, offer_id), self._now(hotel)
            stay = await _stay_by_code(connection, property_id, offer.reservation_code)
            next_arrival = await _next_arrival(connection, hotel, stay)
            refusal = acceptable(offer, hotel, stay, next_arrival=next_arrival, now=now, today=now.date())
            if refusal:
                raise NotAvailable(refusal.reason, refusal.detail)
            return await _apply(connection, offer, key, now)

    async def offer(self, property_id: str, *, offer_id: str) -> Offer:
        async with self._reading() as connection:
            return await _offer_by_id(connection, property_id, offer_id)

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        async with self._reading() as connection:
            booked = await _booking(connection, schema.bookings.c.key == key)
            return booked or await _offer(connection, schema.offers.c.key == key)

    def _now(self, hotel: Property) -> datetime:
        return self._clock().astimezone(ZoneInfo(hotel.timezone))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise Unavailable(f"{type(error.orig).__name__} on reading") from error

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write: what fails before the commit has not happened, what fails in it may have."""
        async with self._writing.connect() as connection:
            try:
                await connection.begin()
                yield connection
            except DBAPIError as error:
                raise Unavailable(f"{type(error.orig).__name__} before the commit") from error
            try:
                await connection.commit()
            except DBAPIError as error:
                raise OutcomeUnknown(f"{type(error.orig).__name__} in the commit") from error


async def _property(connection: AsyncConnection, property_id: str) -> Property:
    row = (await connection.execute(sa.select(schema.properties).where(schema.properties.c.id == property_id))).first()
    if row is None:
        raise NotFound("No such property.")
    rows = await connection.execute(sa.select(schema.facts).where(schema.facts.c.property_id == property_id))
    return schema.property_of(row, {fact.topic: Fact(fact.topic, fact.title, fact.text) for fact in rows.all()})


async def _stay_by_code(connection: AsyncConnection, property_id: str, code: str) -> Reservation:
    table = schema.reservations
    query = sa.select(table).where(table.c.property_id == property_id, table.c.code == code)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound("No such reservation.")
    return _stay(row)


async def _next_arrival(connection: AsyncConnection, hotel: Property, stay: Reservation) -> time | None:
    table = schema.reservations.c
    query = sa.select(table.eta).where(
        table.property_id == hotel.id,
        table.room == stay.room,
        table.arrival == stay.departure,
        table.code != stay.code,
        table.status.in_(_LIVE),
    )
    row = (await connection.execute(query)).first()
    return (row.eta or hotel.check_in_from) if row else None


async def _offer(connection: AsyncConnection, *wanted: sa.ColumnElement[bool]) -> Offer | None:
    row = (await connection.execute(sa.select(schema.offers).where(*wanted))).first()
    return _offer_of(row) if row else None


async def _offer_by_id(connection: AsyncConnection, property_id: str, offer_id: str) -> Offer:
    offer = await _offer(connection, schema.offers.c.id == offer_id, schema.offers.c.property_id == property_id)
    if offer is None:
        raise NotFound("No such offer.")
    return offer


async def _booking(connection: AsyncConnection, *wanted: sa.ColumnElement[bool]) -> Booking | None:
    query = sa.select(schema.bookings.c.id.label("booking_id"), schema.offers).join(schema.offers).where(*wanted)
    row = (await connection.execute(query)).first()
    return _booking_of(row.booking_id, _offer_of(row)) if row else None


async def _apply(connection: AsyncConnection, offer: Offer, key: str, now: datetime) -> Booking:
    """Booking, charge, offer and stay, in one transaction; unique columns are the last line against a second."""
    booking = _booking_of(f"BK-{offer.id[3:]}", offer)
    await connection.execute(
        schema.bookings.insert().values(
            id=booking.id, key=key, offer_id=offer.id, booked_ms=int(now.timestamp() * 1000)
        )
    )
    await connection.execute(
        schema.charges.insert().values(
            booking_id=booking.id,
            reservation_code=offer.reservation_code,
            text=f"Late check-out until {offer.until:%H:%M}",
            amount_minor=offer.price.minor,
            currency=offer.price.currency,
        )
    )
    await connection.execute(
        schema.offers.update().where(schema.offers.c.id == offer.id).values(status=OfferStatus.ACCEPTED.value)
    )
    await connection.execute(
        schema.reservations.update()
        .where(schema.reservations.c.code == offer.reservation_code)
        .values(check_out_at=offer.until)
    )
    return booking


def _stay(row: sa.Row[Any]) -> Reservation:
    return Reservation(**{**row._mapping, "status": Status(row.status)})


def _room_type(row: sa.Row[Any], currency: str) -> RoomType:
    night, weekend = Money(row.night_minor, currency), Money(row.weekend_minor, currency)
    return RoomType(row.code, row.name, row.rooms, row.max_guests, night, weekend)


def _offer_row(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.id,
        "property_id": offer.property_id,
        "reservation_code": offer.reservation_code,
        "departure": offer.departure,
        "requested": offer.requested,
        "until": offer.until,
        "price_minor": offer.price.minor,
        "currency": offer.price.currency,
        "expires_ms": int(offer.expires_at.timestamp() * 1000),
        "status": offer.status.value,
    }


def _offer_of(row: sa.Row[Any]) -> Offer:
    return Offer(
        id=row.id,
        property_id=row.property_id,
        reservation_code=row.reservation_code,
        departure=row.departure,
        requested=row.requested,
        until=row.until,
        price=Money(row.price_minor, row.currency),
        expires_at=datetime.fromtimestamp(row.expires_ms / 1000, UTC),
        status=OfferStatus(row.status),
    )


def _booking_of(booking_id: str, offer: Offer) -> Booking:
    return Booking(
        id=booking_id,
        offer_id=offer.id,
        property_id=offer.property_id,
        reservation_code=offer.reservation_code,
        departure=offer.departure,
        until=offer.until,
        price=offer.price,
    )
