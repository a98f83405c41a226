"""What the watchdog of calls needs from outside: leases, rooms, and the log. No LiveKit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from libs.bus.calls import Overdue
from libs.bus.conversations import Snapshot
from libs.contracts.calls import CallTicket
from libs.contracts.errors import BotelError, Retry
from libs.contracts.events import Event
from services.voice_gateway.domain.takeover import Attendance


class RoomsUnavailable(BotelError):
    """The LiveKit server does not answer, or not us: nothing is known of the room."""

    code = "rooms-unavailable"
    retry = Retry.LATER
    advice = "LiveKit does not answer: check LIVEKIT_URL, its key and its secret, and that it runs."


class RoomService(Protocol):
    """Rooms from outside. Everything raises `RoomsUnavailable`."""

    async def attendance(self, room: str, guest: str) -> Attendance:
        """Whether the guest is in the room: that identity, or, when it is empty, anybody but agents."""

    async def send_agent(self, ticket: CallTicket) -> None:
        """Have a voice gateway answer the call. Returns before one does, also when none can."""

    async def close(self, room: str) -> None:
        """End the room for everybody in it; safe for one that is gone."""


class CallWatch(Protocol):
    """What a watchdog asks of `libs.bus.calls.Calls`; all of it raises `BusUnavailable`."""

    async def overdue(self, limit: int) -> Sequence[Overdue]: ...

    async def confirm(self, overdue: Overdue) -> bool: ...

    async def forget(self, ticket: CallTicket, *, epoch: int) -> bool: ...


class Record(Protocol):
    """What it asks of `libs.bus.conversations.Conversations`."""

    async def append(self, event: Event, context: Mapping[str, str] | None = None) -> int:
        """Once per event id. Raises `UnknownConversation`, `BusUnavailable`."""

    async def read(self, property_id: str, conversation_id: str, after: int = 0, count: int = 1_000) -> Snapshot:
        """The context, and events. Raises the same."""
