"""Hotel systems with something the matter, and turns of brains that die."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, time, timedelta

from libs.bus.handler import JournalEvent
from libs.contracts.events import CommandRequested, ToolCompleted, ToolRequested
from services.brain.domain.hotel import Booking, Offer, Reservation, Status
from services.brain.pms.memory import MemoryPms
from services.brain.pms.sample import Hotel, harbour
from services.brain.ports import OutcomeUnknown, Unavailable
from services.brain.rehearsal import RehearsedTurn


def crowded(today: date, guests: int) -> Hotel:
    """The sample hotel with so many guests more, `crowd-0` and up: each in a room of their own, leaving tomorrow."""
    house = harbour(today)
    crowd = tuple(
        Reservation(
            code=f"HC{1000 + number}",
            property_id=house.property.id,
            customer_id=f"crowd-{number}",
            first_name="Robin",
            last_name=f"Guest{number}",
            room=str(1000 + number),
            room_type="standard",
            status=Status.IN_HOUSE,
            arrival=today - timedelta(days=1),
            departure=today + timedelta(days=1),
            adults=1,
        )
        for number in range(guests)
    )
    return replace(house, reservations=house.reservations + crowd)


class SlowPms(MemoryPms):
    """Accepting waits for `gate` once it has `begun`."""

    def __init__(self, other: MemoryPms) -> None:
        self.__dict__.update(other.__dict__)
        self.begun, self.gate = asyncio.Event(), asyncio.Event()

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        self.begun.set()
        await self.gate.wait()
        return await super().accept_offer(property_id, offer_id=offer_id, key=key)


class LossyPms(MemoryPms):
    """Writes take effect, or do not, and never answer."""

    def __init__(self, other: MemoryPms, *, applies: bool, settles: bool = True) -> None:
        self.__dict__.update(other.__dict__)
        self._applies, self._settles = applies, settles

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        if self._applies:
            await super().accept_offer(property_id, offer_id=offer_id, key=key)
        return await _never()

    async def propose_late_checkout(self, property_id: str, *, code: str, requested: time, key: str) -> Offer:
        return await super().propose_late_checkout(property_id, code=code, requested=requested, key=key)

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        return await super().settle(property_id, key=key) if self._settles else await _never()


class KeylessPms(MemoryPms):
    """A system that knows no keys: every accepted call is a booking, and nobody can ask what became of one."""

    def __init__(self, other: MemoryPms, *, answers: bool) -> None:
        self.__dict__.update(other.__dict__)
        self._answers = answers
        self.accepted: list[str] = []
        """Offers, as often as they were booked."""

    async def accept_offer(self, property_id: str, *, offer_id: str, key: str) -> Booking:
        self.accepted.append(offer_id)
        booking = await super().accept_offer(property_id, offer_id=offer_id, key=key)
        return booking if self._answers else await _never()

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        raise OutcomeUnknown("This system has no keys.")


class UnansweringPms(MemoryPms):
    """Everything works but asking what became of a call."""

    def __init__(self, other: MemoryPms) -> None:
        self.__dict__.update(other.__dict__)

    async def settle(self, property_id: str, *, key: str) -> Offer | Booking | None:
        raise Unavailable("Connection refused.")


async def _never() -> Booking:
    await asyncio.Event().wait()
    raise AssertionError


class Killed(BaseException):
    """The process is gone: nothing runs on, nothing is caught."""


class DyingTurn(RehearsedTurn):
    """A run whose process dies around the journalling of `tool`: `requested`, `applied` or `completed` is its last."""

    tool = ""
    last = ""

    async def journal(self, event: JournalEvent) -> None:
        mine = not isinstance(event, CommandRequested) and event.name == self.tool
        if mine and self.last == "applied" and isinstance(event, ToolCompleted):
            raise Killed
        await super().journal(event)
        if mine and self.last == ("requested" if isinstance(event, ToolRequested) else "completed"):
            raise Killed


def dying(turn: RehearsedTurn, *, tool: str, last: str) -> DyingTurn:
    """The same run, doomed."""
    doomed = DyingTurn(turn.log, turn.message, turn.grant, turn.context)
    doomed.tool, doomed.last = tool, last
    return doomed
