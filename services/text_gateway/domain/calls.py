"""Calls in rooms: whose room it is, who in it is the guest, and what its beginning and end are in the log."""

from __future__ import annotations

from libs.contracts.calls import CallTicket, ticket_of
from libs.contracts.errors import InvalidRequest
from libs.contracts.events import Author, CallEnded, CallStarted, Channel

ROOM_FINISHED = "room-finished"
"""The reason of an end that the call's gateway did not report."""
CALL = "call"
"""The context field that names the call which the guest is in."""


def guest_identity(conversation_id: str) -> str:
    """The guest's identity in rooms: one for a conversation, so that who comes back replaces the old connection."""
    return f"guest-{conversation_id}"


def call_in(room: str, metadata: str) -> CallTicket | None:
    """The ticket that a room's metadata is; None for a room that is no call of ours."""
    try:
        return ticket_of(room, metadata)
    except InvalidRequest:
        return None


def started_id(call_id: str) -> str:
    """As the voice gateway names it: the bus takes the first of both and no second."""
    return f"{call_id}.started"


def call_started(ticket: CallTicket, now_ms: int) -> CallStarted:
    """The guest is in the room. Which gateway answers is not known here."""
    return CallStarted(
        id=started_id(ticket.call_id),
        time_ms=now_ms,
        property_id=ticket.property_id,
        conversation_id=ticket.conversation_id,
        author=Author.SYSTEM,
        channel=Channel.VOICE,
        trace=ticket.trace,
        gateway_id="",
        call_id=ticket.call_id,
    )


def call_ended(ticket: CallTicket, now_ms: int, duration_ms: int) -> CallEnded:
    """The room is gone. How the call sounded is not known here."""
    return CallEnded(
        id=f"{ticket.call_id}.ended",
        time_ms=now_ms,
        property_id=ticket.property_id,
        conversation_id=ticket.conversation_id,
        author=Author.SYSTEM,
        channel=Channel.VOICE,
        trace=ticket.trace,
        call_id=ticket.call_id,
        reason=ROOM_FINISHED,
        duration_ms=duration_ms,
    )
