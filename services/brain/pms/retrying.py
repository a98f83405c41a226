"""The one retry layer of the hotel system: reads that found it unavailable are repeated, writes never are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, time
from typing import TypeVar

from libs.contracts.errors import Retry
from services.brain.domain.hotel import Booking, Offer, Property, Reservation, Vacancy
from services.brain.ports import Pms, PmsError

T = TypeVar("T")


class RetryingReads:
    """Pms port around another one. A read is tried once more after each pause (seconds)."""

    def __init__(self, pms: Pms, pauses_s: tuple[float, ...] = (0.05, 0.2)) -> None:
        self._pms = pms
        self._pauses_s = pauses_s

    async def property(self, property_id: str) -> Property:
        return await self._read(lambda: self._pms.property(property_id))

    async def reservations(
        self, property_id: str, *, code: str = "", customer_id: str = "", last_name: str = ""
    ) -> tuple[Reservation, ...]:
        return await self._read(
            lambda: self._pms.reservations(property_id, code=code, customer_id=customer_id, last_name=last_name)
        )

    async def availability(self, property_id: str, *, arrival: date, nights: int, guests: int) -> tuple[Vacancy, ...]:
        return await self._read(
            lambda: self._pms.availability(property_id, arrival=arrival, nights=nights, guests=guests)
        )

    async def propose_late_checkout(self, property_id: str, *, code: str, requested: time, key: str) -> Offer:
        return await self._pms.propose_late_checkout(property_id, code=code, requested=requested, key=key)

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        return await self._pms.accept_offer(property_id, offer_id=offer_id, key=key)

    async def offer(self, property_id: str, *, offer_id: str) -> Offer:
        return await self._read(lambda: self._pms.offer(property_id, offer_id=offer_id))

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        return await self._read(lambda: self._pms.settle(property_id, key=key))

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        for pause in self._pauses_s:
            try:
                return await read()
            except PmsError as error:
                if error.retry is not Retry.LATER:
                    raise
            await asyncio.sleep(pause)
        return await read()
