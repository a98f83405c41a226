"""A watchdog with leases, rooms and a log that keep what they are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from libs.bus.calls import Overdue
from libs.bus.conversations import Snapshot
from libs.contracts.calls import CallTicket
from libs.contracts.events import Event
from services.voice_gateway.domain.takeover import Attendance
from services.voice_gateway.room_ports import RoomsUnavailable
from services.voice_gateway.watchdog import Watchdog, WatchdogMetrics, WatchdogSettings

NOW_MS = 1_790_000_000_000
TICKET = CallTicket(call_id="call-1", property_id="harbour", conversation_id="conv-1", guest="anna")


def lost(ticket: CallTicket = TICKET, *, alone_ms: int = 0, epoch: int = 1, **seen: Any) -> Overdue:
    return Overdue(ticket=ticket, epoch=epoch, token="look-1", alone_ms=alone_ms, answered_ms=61_000, **seen)


class Leases:
    """Implements `CallWatch`: gives what is put in, and remembers what was asked."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[list[Overdue] | Exception] = asyncio.Queue()
        self.limits: list[int] = []
        self.reserved = True
        self.confirmed: list[str] = []
        self.forgotten: list[tuple[str, int]] = []

    async def overdue(self, limit: int) -> list[Overdue]:
        self.limits.append(limit)
        found = await self.given.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def confirm(self, overdue: Overdue) -> bool:
        self.confirmed.append(overdue.token)
        return self.reserved

    async def forget(self, ticket: CallTicket, *, epoch: int) -> bool:
        self.forgotten.append((ticket.call_id, epoch))
        return True


class Rooms:
    """Implements `RoomService`, without a server."""

    def __init__(self) -> None:
        self.attendances: dict[str, Attendance] = {}
        self.reachable = True
        self.sent: asyncio.Queue[CallTicket] = asyncio.Queue()
        self.closed: list[str] = []
        self.hangs: asyncio.Event | None = None

    async def attendance(self, room: str, guest: str) -> Attendance:
        if self.hangs:
            await self.hangs.wait()
        self._need()
        return self.attendances.get(f"{room}/{guest}", Attendance.NO_ROOM)

    async def send_agent(self, ticket: CallTicket) -> None:
        self._need()
        self.sent.put_nowait(ticket)

    async def close(self, room: str) -> None:
        self._need()
        self.closed.append(room)

    def _need(self) -> None:
        if not self.reachable:
            raise RoomsUnavailable


class Log:
    """Implements `Record`: an event id takes effect once."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.context: dict[str, str] = {"call": "call-1"}
        self.fails: Exception | None = None

    async def append(self, event: Event, context: Mapping[str, str] | None = None) -> int:
        if self.fails:
            raise self.fails
        self.events.setdefault(event.id, event)
        self.context |= context or {}
        return len(self.events)

    async def read(self, property_id: str, conversation_id: str, after: int = 0, count: int = 1_000) -> Snapshot:
        if self.fails:
            raise self.fails
        return Snapshot(dict(self.context), [])


class Watch:
    """A watchdog and all that it knows."""

    def __init__(self) -> None:
        self.leases, self.rooms, self.log = Leases(), Rooms(), Log()
        self.registry = CollectorRegistry()
        settings = WatchdogSettings(look_s=0.001, takeovers=2, dispatches=3, absent_s=20)
        metrics = WatchdogMetrics(self.registry)
        self.dog = Watchdog(self.leases, self.rooms, self.log, settings, metrics, now_ms=lambda: NOW_MS)

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0
