"""A hotel system in memory: keeps the same promises as the SQLite one, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from services.brain.domain.calls import offer_id as offer_id_of
from services.brain.domain.hotel import Booking, Offer, OfferStatus, Property, Reservation, Vacancy, vacancies
from services.brain.domain.late_checkout import Refusal, acceptable, make_offer, quote
from services.brain.pms.sample import Hotel
from services.brain.ports import NotAvailable, NotFound


class MemoryPms:
    """Pms port over dictionaries. `clock` answers the time with its zone."""

    def __init__(self, hotel: Hotel, clock: Callable[[], datetime]) -> None:
        self._hotel = hotel
        self._clock = clock
        self._stays = {stay.code: stay for stay in hotel.reservations}
        self._offers: dict[str, Offer] = {}
        self._done: dict[str, Offer | Booking] = {}
        self.bookings: dict[str, Booking] = {}
        """By offer id: what was really booked."""

    async def property(self, property_id: str) -> Property:
        if property_id != self._hotel.property.id:
            raise NotFound("No such property.")
        return self._hotel.property

    async def reservations(
        self, property_id: str, *, code: str = "", customer_id: str = "", last_name: str = ""
    ) -> tuple[Reservation, ...]:
        hotel = await self.property(property_id)
        if not (code or customer_id or last_name):
            return ()
        today = self._now(hotel).date()
        found = (
            stay
            for stay in self._stays.values()
            if stay.live
            and stay.departure >= today
            and (not code or stay.code.casefold() == code.casefold())
            and (not customer_id or stay.customer_id == customer_id)
            and (not last_name or stay.last_name.casefold() == last_name.casefold())
        )
        return tuple(sorted(found, key=lambda stay: (stay.departure, stay.code)))

    async def availability(self, property_id: str, *, arrival: date, nights: int, guests: int) -> tuple[Vacancy, ...]:
        await self.property(property_id)
        return vacancies(self._hotel.room_types, self._stays.values(), arrival, nights, guests)

    async def propose_late_checkout(self, property_id: str, *, code: str, requested: time, key: str) -> Offer:
        hotel = await self.property(property_id)
        known = self._done.get(key)
        if isinstance(known, Offer):
            return known
        stay, now = self._stay(code), self._now(hotel)
        terms = quote(hotel, stay, requested=requested, next_arrival=self._next_arrival(hotel, stay), today=now.date())
        if isinstance(terms, Refusal):
            raise NotAvailable(terms.reason, terms.detail)
        offer = make_offer(offer_id_of(key), hotel, stay, terms, requested=requested, now=now)
        self._offers[offer.id] = self._done[key] = offer
        return offer

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        hotel = await self.property(property_id)
        if booked := self.bookings.get(offer_id):
            return booked
        offer, now = await self.offer(property_id, offer_id=offer_id), self._now(hotel)
        stay = self._stay(offer.reservation_code)
        arrival = self._next_arrival(hotel, stay)
        refusal = acceptable(offer, hotel, stay, next_arrival=arrival, now=now, today=now.date())
        if refusal:
            raise NotAvailable(refusal.reason, refusal.detail)
        booking = Booking(
            f"BK-{offer.id[3:]}", offer.id, property_id, stay.code, offer.departure, offer.until, offer.price
        )
        self.bookings[offer.id] = self._done[key] = booking
        self._offers[offer.id] = replace(offer, status=OfferStatus.ACCEPTED)
        self._stays[stay.code] = replace(stay, check_out_at=offer.until)
        return booking

    async def offer(self, property_id: str, *, offer_id: str) -> Offer:
        offer = self._offers.get(offer_id)
        if offer is None or offer.property_id != property_id:
            raise NotFound("No such offer.")
        return offer

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        return self._done.get(key)

    def _stay(self, code: str) -> Reservation:
        if code not in self._stays:
            raise NotFound("No such reservation.")
        return self._stays[code]

    def _next_arrival(self, hotel: Property, stay: Reservation) -> time | None:
        for other in self._stays.values():
            if other.live and other.room == stay.room and other.arrival == stay.departure and other.code != stay.code:
                return other.eta or hotel.check_in_from
        return None

    def _now(self, hotel: Property) -> datetime:
        return self._clock().astimezone(ZoneInfo(hotel.timezone))
