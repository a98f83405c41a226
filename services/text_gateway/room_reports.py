"""What LiveKit reports of rooms, as facts of conversations: `call.started` and `call.ended`.

The voice gateway reports both as well, under the same event ids: who comes first is taken, the other changes nothing.
Its `call.ended` bears the figures of the call's quality, and it reports before it deletes the room: so what LiveKit
tells of the end is the safety net for a gateway that has died. (A room that LiveKit closes before the gateway has given
up on a guest who left ends without figures, too: BOTEL_SESSION_DEPARTURE_TIMEOUT_S should outlast that wait.)

LiveKit sends an event again until it is taken, some times at most, and not always in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from libs.bus.conversations import Snapshot
from libs.contracts.calls import CallTicket
from libs.contracts.errors import BotelError, UnknownConversation
from services.text_gateway.domain.calls import CALL, call_ended, call_in, call_started, started_id
from services.text_gateway.ports import Calls, Conversations, RoomEvent, Rooms

_log = logging.getLogger(__name__)
_JOINED, _FINISHED = "participant_joined", "room_finished"
_ANSWERED_WITHIN_MS = 5_000
"""From the guest's coming to a concierge who answers."""
_LOOK_BACK = 1_000
"""Events looked at for a call's beginning."""


class RoomReports:
    """`count` is told the kind (`other`: none that matters here) and what became of each event."""

    def __init__(
        self,
        conversations: Conversations,
        rooms: Rooms,
        calls: Calls,
        *,
        now_ms: Callable[[], int],
        count: Callable[[str, str], None],
    ) -> None:
        self._conversations, self._rooms, self._calls = conversations, rooms, calls
        self._now_ms, self._count = now_ms, count

    async def take(self, body: bytes, authorization: str) -> str:
        """Record what a webhook tells, once however often it comes; returns what became of it.

        `recorded`; `ignored`: nothing to record; `foreign`: a room without a ticket of ours; `unknown`: the bus has no
        such conversation. Raises `BadSignature`, `InvalidRequest`, and errors after which LiveKit should send it again.
        """
        kind = "other"
        try:
            event = self._rooms.verify(body, authorization)
            kind = event.kind if event.kind in {_JOINED, _FINISHED} else "other"
            outcome = await self._take(event)
        except BotelError as error:
            self._count(kind, error.code)
            raise
        self._count(kind, outcome)
        return outcome

    async def _take(self, event: RoomEvent) -> str:
        if event.kind not in {_JOINED, _FINISHED}:
            return "ignored"
        ticket = call_in(event.room, event.metadata)
        if ticket is None:
            return "foreign"
        if event.kind == _JOINED and event.caller and await self._exists(ticket.call_id):
            await self._calls.expect(ticket, _ANSWERED_WITHIN_MS)
        if not ticket.conversation_id:  # by phone: only the gateway knows whose conversation it is
            return "ignored"
        try:
            recorded = await (self._joined if event.kind == _JOINED else self._finished)(event, ticket)
        except UnknownConversation:
            _log.warning("a call of an unknown conversation", extra={"conversation_id": ticket.conversation_id})
            return "unknown"
        return "recorded" if recorded else "ignored"

    async def _joined(self, event: RoomEvent, ticket: CallTicket) -> bool:
        if not event.caller or event.identity != ticket.guest:
            return False
        snapshot = await self._conversations.read(ticket.property_id, ticket.conversation_id, count=1)
        if not await self._exists(ticket.call_id):
            # Told late, when the end had nothing to end. How long the guest stayed is not known any more.
            await self._conversations.append(call_started(ticket, self._now_ms()))
            await self._end(ticket, snapshot, 0)
            return True
        current = snapshot.context.get(CALL, "")
        taken = current not in {"", ticket.call_id} and await self._exists(current)
        await self._conversations.append(
            call_started(ticket, self._now_ms()), None if taken else {CALL: ticket.call_id}
        )
        return True

    async def _finished(self, event: RoomEvent, ticket: CallTicket) -> bool:
        snapshot = await self._conversations.read(ticket.property_id, ticket.conversation_id, count=1)
        if snapshot.context.get(CALL) != ticket.call_id and not await self._began(snapshot, ticket):
            return False  # nobody was ever in it, or it ended so long ago that the log has left Redis
        await self._end(ticket, snapshot, event.age_ms)
        return True

    async def _end(self, ticket: CallTicket, snapshot: Snapshot, duration_ms: int) -> None:
        """Nobody is on the line any more, unless it is in another call by now."""
        context = {CALL: ""} if snapshot.context.get(CALL) == ticket.call_id else None
        await self._conversations.append(call_ended(ticket, self._now_ms(), duration_ms), context)

    async def _began(self, snapshot: Snapshot, ticket: CallTicket) -> bool:
        after = max(0, snapshot.number - _LOOK_BACK)
        lately = await self._conversations.read(ticket.property_id, ticket.conversation_id, after, _LOOK_BACK)
        return any(event.id == started_id(ticket.call_id) for event in lately.events)

    async def _exists(self, name: str) -> bool:
        return await self._rooms.find(name) is not None
