"""What every adapter of the Pms port must do. A test class per adapter inherits it and makes the adapter."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import pytest

from services.brain.domain.hotel import Booking, OfferStatus
from services.brain.domain.late_checkout import Reason
from services.brain.domain.money import Money
from services.brain.ports import NotAvailable, NotFound, Pms

NOW = datetime(2026, 11, 22, 18, 0, 0, 123_456, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class PmsConformance:
    """`pms` and `clock` come from the inheriting module's fixtures; the hotel is the sample as of NOW."""

    async def test_the_house_and_its_facts(self, pms: Pms) -> None:
        house = await pms.property("harbour")

        assert house.name == "The Harbour Hotel"
        assert house.check_out_until == time(11)
        assert "seven to half past ten" in house.facts["breakfast"].text
        assert house.late_checkout.tiers[0] == (60, Money(1500, "EUR"))

    async def test_an_unknown_house(self, pms: Pms) -> None:
        with pytest.raises(NotFound):
            await pms.property("elsewhere")

    @pytest.mark.parametrize(
        ("by", "codes"),
        [
            ({"code": "hb2041"}, ["HB2041"]),
            ({"customer_id": "guest-204"}, ["HB2041"]),
            ({"customer_id": "GUEST-204"}, []),
            ({"last_name": "keller"}, ["HB2041"]),
            ({"last_name": "Miller"}, ["HB1101"]),
            ({"code": "HB2041", "last_name": "Miller"}, []),
            ({"customer_id": "guest-108"}, []),
            ({"customer_id": "guest-109"}, []),
            ({"code": "HB2041' OR '1'='1"}, []),
            ({}, []),
        ],
    )
    async def test_reservations_are_found(self, pms: Pms, by: dict[str, str], codes: list[str]) -> None:
        found = await pms.reservations("harbour", **by)

        assert [stay.code for stay in found] == codes

    async def test_a_stay_that_is_over_is_not_found(self, pms: Pms, clock: Clock) -> None:
        clock.now = NOW + timedelta(days=2)

        assert await pms.reservations("harbour", customer_id="guest-204") == ()

    async def test_availability_counts_what_is_taken(self, pms: Pms) -> None:
        found = await pms.availability("harbour", arrival=date(2026, 11, 27), nights=2, guests=3)

        assert [(room.room_type, room.left, str(room.total)) for room in found] == [("harbour-view", 3, "EUR 350.00")]
        assert await pms.availability("harbour", arrival=date(2026, 11, 23), nights=1, guests=9) == ()

    async def test_the_suite_is_taken_until_the_guest_leaves(self, pms: Pms) -> None:
        def kinds(found: tuple[object, ...]) -> set[str]:
            return {getattr(room, "room_type", "") for room in found}

        before = await pms.availability("harbour", arrival=date(2026, 11, 27), nights=1, guests=4)
        after = await pms.availability("harbour", arrival=date(2026, 11, 28), nights=1, guests=4)

        assert "suite" not in kinds(before)
        assert "suite" in kinds(after)

    async def test_an_offer_is_computed_and_stored(self, pms: Pms) -> None:
        offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")

        assert (offer.until, offer.price, offer.departure) == (time(14), Money(3500, "EUR"), date(2026, 11, 23))
        assert offer.expires_at == NOW.replace(microsecond=0) + timedelta(minutes=20)
        assert await pms.offer("harbour", offer_id=offer.id) == offer
        assert await pms.settle("harbour", key="k1") == offer

    async def test_the_same_key_makes_the_same_offer(self, pms: Pms, clock: Clock) -> None:
        first = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
        clock.now += timedelta(minutes=1)

        assert await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1") == first
        other = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k2")
        assert other.id != first.id

    async def test_an_offer_looks_at_the_room(self, pms: Pms) -> None:
        offer = await pms.propose_late_checkout("harbour", code="HB1071", requested=time(14), key="k1")
        assert (offer.requested, offer.until) == (time(14), time(13))

        with pytest.raises(NotAvailable) as refused:
            await pms.propose_late_checkout("harbour", code="HB3021", requested=time(14), key="k2")
        assert refused.value.reason == Reason.ROOM_NEEDED
        assert await pms.settle("harbour", key="k2") is None

    async def test_no_offer_for_nobody(self, pms: Pms) -> None:
        with pytest.raises(NotFound):
            await pms.propose_late_checkout("harbour", code="HB9999", requested=time(14), key="k1")

    async def test_accepting_books_once(self, pms: Pms) -> None:
        offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
        booking = await pms.accept_offer("harbour", offer_id=offer.id, key="k2")

        assert booking == Booking(
            booking.id, offer.id, "harbour", "HB2041", offer.departure, time(14), Money(3500, "EUR")
        )
        assert await pms.accept_offer("harbour", offer_id=offer.id, key="k2") == booking
        assert await pms.accept_offer("harbour", offer_id=offer.id, key="k3") == booking
        assert await pms.settle("harbour", key="k2") == booking
        [stay] = await pms.reservations("harbour", code="HB2041")
        assert stay.check_out_at == time(14)
        assert (await pms.offer("harbour", offer_id=offer.id)).status is OfferStatus.ACCEPTED

    async def test_many_at_once_book_once(self, pms: Pms) -> None:
        offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
        booked = await asyncio.gather(
            *(pms.accept_offer("harbour", offer_id=offer.id, key=f"k{n % 3}") for n in range(10))
        )

        assert len({booking.id for booking in booked}) == 1

    async def test_of_two_offers_one_is_booked(self, pms: Pms) -> None:
        first = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(13), key="k1")
        second = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k2")
        await pms.accept_offer("harbour", offer_id=first.id, key="k3")

        with pytest.raises(NotAvailable) as refused:
            await pms.accept_offer("harbour", offer_id=second.id, key="k4")
        assert refused.value.reason == Reason.CHANGED

    async def test_an_expired_offer_is_not_booked(self, pms: Pms, clock: Clock) -> None:
        offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
        clock.now += timedelta(minutes=21)

        with pytest.raises(NotAvailable) as refused:
            await pms.accept_offer("harbour", offer_id=offer.id, key="k2")
        assert refused.value.reason == Reason.EXPIRED
        assert await pms.settle("harbour", key="k2") is None
        [stay] = await pms.reservations("harbour", code="HB2041")
        assert stay.check_out_at is None

    async def test_a_booking_outlives_its_offer(self, pms: Pms, clock: Clock) -> None:
        offer = await pms.propose_late_checkout("harbour", code="HB2041", requested=time(14), key="k1")
        booking = await pms.accept_offer("harbour", offer_id=offer.id, key="k2")
        clock.now += timedelta(minutes=21)

        assert await pms.accept_offer("harbour", offer_id=offer.id, key="k2") == booking

    async def test_an_unknown_offer(self, pms: Pms) -> None:
        with pytest.raises(NotFound):
            await pms.accept_offer("harbour", offer_id="LC-none", key="k1")
        with pytest.raises(NotFound):
            await pms.offer("harbour", offer_id="LC-none")

    async def test_nothing_was_done_under_an_unused_key(self, pms: Pms) -> None:
        assert await pms.settle("harbour", key="never") is None
