"""A hotel system as if it stood at the other end of a network: for demonstrations and for tests that kill brains.

A local file answers in a millisecond. A real system takes a while, and a brain may die while a write is on its way, or
when it was taken and its answer is on the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, time

from services.brain.domain.hotel import Booking, Offer, Property, Reservation, Vacancy
from services.brain.ports import Pms


class DistantPms:
    """Pms port around another one. A write waits half of `latency_s` before it and half after it; reads do not wait."""

    def __init__(self, pms: Pms, latency_s: float, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._pms, self._pause = pms, pause
        self._half_s = latency_s / 2

    async def property(self, property_id: str) -> Property:
        return await self._pms.property(property_id)

    async def reservations(
        self, property_id: str, *, code: str = "", customer_id: str = "", last_name: str = ""
    ) -> tuple[Reservation, ...]:
        return await self._pms.reservations(property_id, code=code, customer_id=customer_id, last_name=last_name)

    async def availability(self, property_id: str, *, arrival: date, nights: int, guests: int) -> tuple[Vacancy, ...]:
        return await self._pms.availability(property_id, arrival=arrival, nights=nights, guests=guests)

    async def propose_late_checkout(self, property_id: str, *, code: str, requested: time, key: str) -> Offer:
        await self._pause(self._half_s)
        made = await self._pms.propose_late_checkout(property_id, code=code, requested=requested, key=key)
        await self._pause(self._half_s)
        return made

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        await self._pause(self._half_s)
        booked = await self._pms.accept_offer(property_id, offer_id=offer_id, key=key)
        await self._pause(self._half_s)
        return booked

    async def offer(self, property_id: str, *, offer_id: str) -> Offer:
        return await self._pms.offer(property_id, offer_id=offer_id)

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        return await self._pms.settle(property_id, key=key)
