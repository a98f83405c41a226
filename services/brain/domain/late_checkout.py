"""Late check-out: what may be offered, at which price, and whether an offer may still be accepted.

The model decides when to ask; everything else is decided here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.brain.domain.hotel import LateCheckoutPolicy, Offer, OfferStatus, Property, Reservation
from services.brain.domain.money import Money


class Reason(enum.StrEnum):
    """Why nothing is offered, or an offer cannot be accepted any more."""

    NO_STAY = "no-stay"
    NOT_LATE = "not-late"
    ALREADY_BOOKED = "already-booked"
    ROOM_NEEDED = "room-needed"
    EXPIRED = "expired"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Terms:
    until: time
    price: Money


def quote(
    hotel: Property, stay: Reservation, *, requested: time, next_arrival: time | None, today: date
) -> Terms | Refusal:
    """What can be offered to this guest for the day of departure.

    `next_arrival` is when the next guest of the same room comes that day, None if nobody does. `today` is local.
    """
    policy, usual = hotel.late_checkout, hotel.check_out_until
    current = stay.check_out_at or usual
    if not stay.live or stay.departure < today:
        return Refusal(Reason.NO_STAY, "The stay is over or not confirmed.")
    if requested <= usual:
        return Refusal(Reason.NOT_LATE, f"Check-out is until {usual:%H:%M} anyway, without charge.")
    if requested <= current:
        return Refusal(Reason.ALREADY_BOOKED, f"A late check-out until {current:%H:%M} is booked already.")
    until = min(_round_up(requested, policy.step_minutes), _limit(policy, next_arrival))
    if until <= current:
        return Refusal(Reason.ROOM_NEEDED, "The next guest of this room arrives too early for a late check-out.")
    return Terms(until, price_until(policy, usual, until) - price_until(policy, usual, current))


def price_until(policy: LateCheckoutPolicy, usual: time, until: time) -> Money:
    """Full price of leaving at `until` rather than at the usual time."""
    minutes = _minutes(until) - _minutes(usual)
    if minutes <= 0:
        return Money(0, policy.tiers[0][1].currency)
    for limit, price in policy.tiers:
        if minutes <= limit:
            return price
    return policy.tiers[-1][1]


def make_offer(
    offer_id: str, hotel: Property, stay: Reservation, terms: Terms, *, requested: time, now: datetime
) -> Offer:
    """An offer that stands for the policy's time from `now` (with time zone)."""
    return Offer(
        id=offer_id,
        property_id=hotel.id,
        reservation_code=stay.code,
        departure=stay.departure,
        requested=requested,
        until=terms.until,
        price=terms.price,
        expires_at=now.replace(microsecond=0) + timedelta(minutes=hotel.late_checkout.offer_minutes),
    )


def acceptable(
    offer: Offer, hotel: Property, stay: Reservation, *, next_arrival: time | None, now: datetime, today: date
) -> Refusal | None:
    """Why `offer` cannot be accepted now; None if it can. The state of stay and room is read again for this."""
    if offer.status is not OfferStatus.PROPOSED or now >= offer.expires_at:
        return Refusal(Reason.EXPIRED, "The offer has expired: make a new one.")
    terms = quote(hotel, stay, requested=offer.until, next_arrival=next_arrival, today=today)
    if isinstance(terms, Refusal):
        return terms
    if terms != Terms(offer.until, offer.price) or stay.departure != offer.departure:
        return Refusal(Reason.CHANGED, "The stay or the room has changed since: make a new offer.")
    return None


def _limit(policy: LateCheckoutPolicy, next_arrival: time | None) -> time:
    if next_arrival is None:
        return policy.latest
    free_until = _minutes(next_arrival) - policy.cleaning_minutes
    return min(policy.latest, _time(max(0, free_until - free_until % policy.step_minutes)))


def _round_up(moment: time, step: int) -> time:
    minutes = _minutes(moment)
    return _time(min(minutes + -minutes % step, 23 * 60 + 59))


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)
