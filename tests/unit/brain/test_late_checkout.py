"""Late check-out: what is offered at which price, and what is refused, by policy and room alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from services.brain.domain.hotel import Offer, OfferStatus, Reservation, Status
from services.brain.domain.late_checkout import Reason, Refusal, Terms, acceptable, make_offer, price_until, quote
from services.brain.domain.money import Money
from services.brain.pms.sample import harbour

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
HOTEL = harbour(TODAY).property
STAY = next(stay for stay in harbour(TODAY).reservations if stay.code == "HB2041")


def eur(whole: int) -> Money:
    return Money(100 * whole, "EUR")


@pytest.mark.parametrize(
    ("requested", "next_arrival", "until", "price"),
    [
        (time(12), None, time(12), 15),
        (time(13), None, time(13), 25),
        (time(14), None, time(14), 35),
        (time(16), None, time(16), 55),
        (time(11, 10), None, time(11, 30), 15),
        (time(13, 20), None, time(13, 30), 35),
        (time(19), None, time(16), 55),
        (time(14), time(18), time(14), 35),
        (time(14), time(15), time(13), 25),
        (time(14), time(14, 50), time(12, 30), 25),
    ],
)
def test_what_is_offered(requested: time, next_arrival: time | None, until: time, price: int) -> None:
    terms = quote(HOTEL, STAY, requested=requested, next_arrival=next_arrival, today=TODAY)

    assert terms == Terms(until, eur(price))


@pytest.mark.parametrize(
    ("change", "requested", "next_arrival", "reason"),
    [
        ({}, time(11), None, Reason.NOT_LATE),
        ({}, time(9), None, Reason.NOT_LATE),
        ({}, time(14), time(13), Reason.ROOM_NEEDED),
        ({}, time(14), time(0, 30), Reason.ROOM_NEEDED),
        ({"check_out_at": time(14)}, time(13), None, Reason.ALREADY_BOOKED),
        ({"check_out_at": time(14)}, time(15), time(16), Reason.ROOM_NEEDED),
        ({"status": Status.CANCELLED}, time(14), None, Reason.NO_STAY),
        ({"departure": TODAY - timedelta(days=1)}, time(14), None, Reason.NO_STAY),
    ],
)
def test_what_is_refused(change: dict[str, object], requested: time, next_arrival: time | None, reason: Reason) -> None:
    stay = replace(STAY, **change)  # type: ignore[arg-type]
    refusal = quote(HOTEL, stay, requested=requested, next_arrival=next_arrival, today=TODAY)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_going_on_later_costs_the_difference() -> None:
    stay = replace(STAY, check_out_at=time(13))

    assert quote(HOTEL, stay, requested=time(15), next_arrival=None, today=TODAY) == Terms(time(15), eur(20))


def test_nothing_costs_nothing_and_beyond_the_table_costs_the_most() -> None:
    assert price_until(HOTEL.late_checkout, time(11), time(11)) == eur(0)
    assert price_until(HOTEL.late_checkout, time(11), time(23)) == eur(55)


def offer(stay: Reservation = STAY) -> Offer:
    return make_offer("LC-1", HOTEL, stay, Terms(time(14), eur(35)), requested=time(14), now=NOW)


@pytest.mark.parametrize(
    ("after_minutes", "status", "change", "next_arrival", "reason"),
    [
        (0, OfferStatus.PROPOSED, {}, None, None),
        (19, OfferStatus.PROPOSED, {}, time(18), None),
        (20, OfferStatus.PROPOSED, {}, None, Reason.EXPIRED),
        (0, OfferStatus.ACCEPTED, {}, None, Reason.EXPIRED),
        (0, OfferStatus.PROPOSED, {}, time(13), Reason.ROOM_NEEDED),
        (0, OfferStatus.PROPOSED, {}, time(15), Reason.CHANGED),
        (0, OfferStatus.PROPOSED, {"check_out_at": time(12)}, None, Reason.CHANGED),
        (0, OfferStatus.PROPOSED, {"check_out_at": time(14)}, None, Reason.ALREADY_BOOKED),
        (0, OfferStatus.PROPOSED, {"departure": TODAY + timedelta(days=3)}, None, Reason.CHANGED),
        (0, OfferStatus.PROPOSED, {"status": Status.CANCELLED}, None, Reason.NO_STAY),
    ],
)
def test_what_may_still_be_accepted(
    after_minutes: int,
    status: OfferStatus,
    change: dict[str, object],
    next_arrival: time | None,
    reason: Reason | None,
) -> None:
    refusal = acceptable(
        replace(offer(), status=status),
        HOTEL,
        replace(STAY, **change),  # type: ignore[arg-type]
        next_arrival=next_arrival,
        now=NOW + timedelta(minutes=after_minutes),
        today=TODAY,
    )

    assert (refusal and refusal.reason) == reason
