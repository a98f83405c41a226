"""What the brain asks of a property management system. tests/integration/brain/pms_conformance.py holds every adapter
to it."""

from __future__ import annotations

from datetime import date, time
from typing import ClassVar, Protocol

from libs.contracts.errors import BotelError, Retry
from services.brain.domain.hotel import Booking, Offer, Property, Reservation, Vacancy


class PmsError(BotelError):
    """Base of what an adapter may raise; the advice is written for the model that reads it."""

    code: ClassVar[str] = "pms"


class NotFound(PmsError):
    code = "not-found"
    advice = "Nothing matches. Ask the guest to check it, or offer the front desk."


class NotAvailable(PmsError):
    """The hotel's rules or the room's state forbid it; `reason` is a domain Reason."""

    code = "not-available"
    advice = "This cannot be offered. Say so, do not promise it."

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class NotPermitted(PmsError):
    code = "not-permitted"
    advice = "This guest may not do that. Offer the front desk."


class Unavailable(PmsError):
    """The system did not answer; nothing was written."""

    code = "pms-unavailable"
    retry = Retry.LATER
    advice = "The hotel's system does not answer. Apologise, and offer to ask the front desk."


class OutcomeUnknown(PmsError):
    """A write was sent and its outcome is not known: settle it by its key, never repeat it under another one."""

    code = "outcome-unknown"
    retry = Retry.SAME_ID
    advice = "It is not known whether it happened. Say that the front desk will confirm it; do not say it is done."


class Pms(Protocol):
    """One hotel system. Reads raise `NotFound` or `Unavailable`; writes also what they name.

    A write takes an idempotency key: the same key again answers what the first call answered and changes nothing,
    also from another process, and also when the first call's answer was lost.
    """

    async def property(self, property_id: str) -> Property:
        """The hotel and its facts."""

    async def reservations(
        self, property_id: str, *, code: str = "", customer_id: str = "", last_name: str = ""
    ) -> tuple[Reservation, ...]:
        """Stays that match every argument given (at least one; names and codes in any case), the next departure first.

        Cancelled ones and those that are over are left out. Nothing found is no error.
        """

    async def availability(self, property_id: str, *, arrival: date, nights: int, guests: int) -> tuple[Vacancy, ...]:
        """Room types free for the whole stay, cheapest first."""

    async def propose_late_checkout(self, property_id: str, *, code: str, requested: time, key: str) -> Offer:
        """Compute, store and return an offer for the reservation `code`; `NotAvailable` where the rules forbid it."""

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        """Apply an offer, all or nothing, at most once whoever asks.

        An offer accepted before, under any key, answers its booking. `NotFound` for an unknown one, `NotAvailable` for
        one that has expired or that the room's state no longer allows, `OutcomeUnknown` if the answer was lost.
        """

    async def offer(self, property_id: str, *, offer_id: str) -> Offer:
        """The offer as it stands; `NotFound`."""

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        """What was done under this key; None if nothing was.

        The adapter of a system without keys cannot know: it raises `OutcomeUnknown`. Then nothing is repeated, and the
        guest is told that the front desk will confirm it.
        """
