"""What a hotel is made of, as far as the concierge needs it. Vendor-neutral; ids are opaque text."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.brain.domain.money import Money


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that guests ask about."""

    topic: str
    title: str
    text: str
    """Whole sentences that can be spoken as they stand."""


@dataclass(frozen=True, slots=True)
class LateCheckoutPolicy:
    latest: time
    """No stay goes on beyond this, whatever the room's state."""
    tiers: tuple[tuple[int, Money], ...]
    """(minutes after the usual check-out, price up to there), ascending."""
    cleaning_minutes: int
    """Time kept free before the next guest's arrival."""
    step_minutes: int = 30
    """Times offered are multiples of this."""
    offer_minutes: int = 20
    """How long an offer stands."""


@dataclass(frozen=True, slots=True)
class Property:
    id: str
    name: str
    timezone: str
    """IANA name; dates and times of day are local to it."""
    currency: str
    check_in_from: time
    check_out_until: time
    late_checkout: LateCheckoutPolicy
    facts: Mapping[str, Fact]
    """By topic."""


class Status(enum.StrEnum):
    CONFIRMED = "confirmed"
    IN_HOUSE = "in-house"
    CHECKED_OUT = "checked-out"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Reservation:
    code: str
    property_id: str
    customer_id: str
    first_name: str
    last_name: str
    room: str
    room_type: str
    status: Status
    arrival: date
    departure: date
    """Nights are half open: [arrival, departure)."""
    adults: int
    eta: time | None = None
    """Expected time of arrival, if the guest told."""
    check_out_at: time | None = None
    """A late check-out that is booked; None: the usual time."""

    @property
    def guest(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def live(self) -> bool:
        return self.status in (Status.CONFIRMED, Status.IN_HOUSE)


@dataclass(frozen=True, slots=True)
class RoomType:
    code: str
    name: str
    rooms: int
    max_guests: int
    night: Money
    """Price of a night from Sunday to Thursday."""
    weekend: Money
    """Price of a night on Friday and Saturday."""


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A room type that is free for a whole stay."""

    room_type: str
    name: str
    left: int
    total: Money


class OfferStatus(enum.StrEnum):
    PROPOSED = "proposed"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Offer:
    """A late check-out that the hotel is bound to until it expires."""

    id: str
    property_id: str
    reservation_code: str
    departure: date
    requested: time
    until: time
    """What can be given: the requested time or, where the room is needed, an earlier one."""
    price: Money
    expires_at: datetime
    """With time zone."""
    status: OfferStatus = OfferStatus.PROPOSED


@dataclass(frozen=True, slots=True)
class Booking:
    """An offer that was accepted and applied."""

    id: str
    offer_id: str
    property_id: str
    reservation_code: str
    departure: date
    until: time
    price: Money


_WEEKEND = frozenset({4, 5})


def stay_price(room: RoomType, arrival: date, nights: int) -> Money:
    """Price of a stay: the sum of its nights."""
    total = Money(0, room.night.currency)
    for day in range(nights):
        weekday = (arrival + timedelta(days=day)).weekday()
        total = total + (room.weekend if weekday in _WEEKEND else room.night)
    return total


def vacancies(
    rooms: Iterable[RoomType], taken: Iterable[Reservation], arrival: date, nights: int, guests: int
) -> tuple[Vacancy, ...]:
    """Room types that fit `guests` and are free on every night, cheapest first."""
    live = [stay for stay in taken if stay.live]
    out: list[Vacancy] = []
    for room in rooms:
        days = (arrival + timedelta(days=n) for n in range(nights))
        left = min(
            room.rooms - sum(s.room_type == room.code and s.arrival <= day < s.departure for s in live) for day in days
        )
        if left > 0 and room.max_guests >= guests:
            out.append(Vacancy(room.code, room.name, left, stay_price(room, arrival, nights)))
    return tuple(sorted(out, key=lambda vacancy: vacancy.total.minor))
