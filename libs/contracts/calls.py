"""A call's ticket: what is known of a call before anybody answers it. It travels as the metadata of the room and of the
job that serves it, so that gateways, watchdogs and webhooks mean the same call.
"""

from __future__ import annotations

import msgspec

from libs.contracts.errors import InvalidRequest
from libs.contracts.ids import check_external_id, check_id

AGENT_NAME = "botel-concierge"
"""Under which voice gateways register: rooms are dispatched to it by name, never to whoever is free."""
MAX_TICKET_BYTES = 4_096


class CallTicket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`call_id` is the room's name, too."""

    call_id: str
    property_id: str
    conversation_id: str = ""
    """Empty: the gateway opens the conversation of whoever calls (SIP)."""
    customer_id: str = ""
    reservation_id: str = ""
    guest: str = ""
    """Identity of the guest's participant; empty: the first that comes."""
    takeover: int = 0
    """How many gateways this call has outlived: whoever answers after the first begins with an apology."""


def encode_ticket(ticket: CallTicket) -> str:
    """JSON, as metadata is text."""
    return msgspec.json.encode(ticket).decode()


def decode_ticket(text: str) -> CallTicket:
    """Raises `InvalidRequest` for anything that is no ticket."""
    if len(text.encode()) > MAX_TICKET_BYTES:
        raise InvalidRequest(f"a call's metadata: {MAX_TICKET_BYTES} bytes at most")
    try:
        ticket = msgspec.json.decode(text, type=CallTicket)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"a call's metadata: {error}") from error
    check_id(ticket.call_id, "call_id")
    check_id(ticket.property_id, "property_id")
    if ticket.conversation_id:
        check_id(ticket.conversation_id, "conversation_id")
    for field in ("customer_id", "reservation_id", "guest"):
        if value := getattr(ticket, field):
            check_external_id(value, field)
    return ticket
