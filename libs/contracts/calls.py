"""A call's ticket: what is known of a call before anybody answers it. It travels as the metadata of the room and of the
job that serves it, so that gateways, watchdogs and webhooks mean the same call.

A dispatch rule for callers by phone gives all their rooms the same metadata: `{"property_id": "harbour"}`. Such a call
has the name of its room, so the rule makes a room for each caller.
"""

from __future__ import annotations

import re

import msgspec

from libs.contracts.errors import InvalidRequest
from libs.contracts.ids import check_external_id, check_id
from libs.contracts.limits import MAX_ID_CHARS

AGENT_NAME = "botel-concierge"
"""Under which voice gateways register: rooms are dispatched to it by name, never to whoever is free."""
MAX_TICKET_BYTES = 4_096
_CALL_ID = re.compile(rf"[A-Za-z0-9_+][A-Za-z0-9_.+\-]{{0,{MAX_ID_CHARS - 1}}}")
"""Wider than other ids: LiveKit names the room of a caller by phone `<prefix>_<number>_<something>`, `+` and all."""


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
    handovers: int = 0
    """How many of these left it on purpose, and did not die over it."""
    trace: str = ""
    """W3C traceparent of the call: whoever has it goes on with the same trace."""


def encode_ticket(ticket: CallTicket) -> str:
    """JSON, as metadata is text."""
    return msgspec.json.encode(ticket).decode()


def decode_ticket(text: str) -> CallTicket:
    """One that names its call. Raises `InvalidRequest` for anything that is no ticket."""
    return _ticket(_fields(text))


def ticket_of(room_name: str, metadata: str) -> CallTicket:
    """The ticket that a room's metadata, or its job's, is; the call has the room's name when the metadata has none.

    Raises `InvalidRequest` for metadata that is no ticket, and for the ticket of another room.
    """
    fields = _fields(metadata)
    ticket = _ticket({**fields, "call_id": fields.get("call_id") or room_name})
    if ticket.call_id != room_name:
        raise InvalidRequest("a call's metadata: the ticket of another room")
    return ticket


def check_call_id(text: str) -> str:
    """Return `text`, or raise `InvalidRequest`."""
    if not _CALL_ID.fullmatch(text):
        raise InvalidRequest(f"call_id: letters, digits, '_', '.', '+' and '-' only, {MAX_ID_CHARS} at most")
    return text


def _fields(text: str) -> dict[str, object]:
    if len(text.encode()) > MAX_TICKET_BYTES:
        raise InvalidRequest(f"a call's metadata: {MAX_TICKET_BYTES} bytes at most")
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"a call's metadata: {error}") from error


def _ticket(fields: dict[str, object]) -> CallTicket:
    try:
        ticket = msgspec.convert(fields, CallTicket)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"a call's metadata: {error}") from error
    check_call_id(ticket.call_id)
    check_id(ticket.property_id, "property_id")
    if ticket.conversation_id:
        check_id(ticket.conversation_id, "conversation_id")
    for field in ("customer_id", "reservation_id", "guest"):
        if value := getattr(ticket, field):
            check_external_id(value, field)
    return ticket
