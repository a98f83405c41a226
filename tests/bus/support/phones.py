"""Calls as jobs and watchdogs see them, for tests of leases."""

from __future__ import annotations

from libs.bus.calls import Calls, Overdue
from libs.contracts.calls import CallTicket
from libs.contracts.keys import Keys
from tests.bus.support.conversation import PROPERTY
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually

LASTING: dict[str, int] = {"call_lease_ms": 60_000, "call_renew_ms": 20, "call_reserve_ms": 60_000}
"""No lease and no reservation runs out by itself."""


def ticket(call_id: str = "call-1", property_id: str = PROPERTY, **known: str | int) -> CallTicket:
    return CallTicket(call_id=call_id, property_id=property_id, **known)  # type: ignore[arg-type]


async def lapse(stage: Stage, call_id: str = "call-1", keys: Keys | None = None) -> None:
    """The lease, or the reservation after it, runs out."""
    at = keys or stage.keys
    await stage.send("HSET", at.call(call_id), "u", 1, "ru", 1)
    await stage.send("ZADD", at.calls, 1, call_id)


def seeing(calls: Calls) -> Calls:
    """As a watchdog that has looked for long, and on time."""
    for sight in calls._sights.values():
        sight.judges = lambda now, server: True  # type: ignore[method-assign]
    return calls


async def found(watch: Calls) -> Overdue:
    """The only call that is overdue, sooner or later."""
    seen: list[Overdue] = []

    async def looked() -> bool:
        seen.extend(await watch.overdue())
        return bool(seen)

    await eventually(looked)
    (one,) = seen
    return one
