"""What is kept of an event. Nothing that arrives can be refused by the database, or it would arrive for ever."""

from __future__ import annotations

import hashlib

import msgspec

from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import AnyEvent, ConversationOpened
from libs.contracts.ids import is_id
from libs.contracts.limits import MAX_EXTERNAL_ID_CHARS

UNKNOWN = "unknown"
MAX_NUMBER = 2**53
_MAX_REASON_CHARS = 500
_MAX_LABEL_CHARS = 200


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a conversation. The body is kept as it came: a newer release may read what this one cannot."""

    conversation_id: str
    number: int
    kind: str
    """The event's type, or UNKNOWN."""
    time_ms: int
    body: bytes
    reason: str = ""
    """Why it is UNKNOWN."""
    property_id: str = ""
    """'' when UNKNOWN."""
    customer_id: str = ""
    reservation_id: str = ""

    def event(self) -> AnyEvent | None:
        """The event as this release reads it; None when it cannot."""
        try:
            return decode(self.body, self.number)
        except MalformedMessage:
            return None


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that has no place in any conversation. Kept for whoever looks into it."""

    id: str
    label: str
    reason: str
    body: bytes


def place(conversation_id: str, number: int, body: bytes, event: AnyEvent | None, reason: str = "") -> Row | Stray:
    """The row of an entry, or a stray when its conversation or number cannot be one."""
    if not is_id(conversation_id) or not 1 <= number <= MAX_NUMBER:
        return stray(conversation_id, number, body, "not a conversation and number")
    if event is None:
        return Row(
            conversation_id=conversation_id, number=number, kind=UNKNOWN, time_ms=0, body=body, reason=_told(reason)
        )
    if event.conversation_id != conversation_id or not is_id(event.property_id):
        return stray(conversation_id, number, body, "the event names another conversation, or no property")
    opened = event if isinstance(event, ConversationOpened) else None
    return Row(
        conversation_id=conversation_id,
        number=number,
        kind=str(event.__struct_config__.tag),
        time_ms=min(max(event.time_ms, 0), MAX_NUMBER),
        body=body,
        property_id=event.property_id,
        customer_id=_external(opened.customer_id) if opened else "",
        reservation_id=_external(opened.reservation_id) if opened else "",
    )


def row_of(conversation_id: str, number: int, body: bytes) -> Row | Stray:
    """`place` for a body straight from a log."""
    try:
        return place(conversation_id, number, body, decode(body, number))
    except MalformedMessage as error:
        return place(conversation_id, number, body, None, error.detail)


def stray(conversation_id: str, number: int, body: bytes, reason: str) -> Stray:
    label = f"{stray_label(conversation_id)}{number}"
    digest = hashlib.sha256(label.encode() + b"\n" + body).hexdigest()
    return Stray(id=digest, label=label[:_MAX_LABEL_CHARS], reason=_told(reason), body=body)


def stray_label(conversation_id: str) -> str:
    """How the label of each stray of a conversation begins."""
    return f"{conversation_id!a} "


def _external(text: str) -> str:
    return text.replace("\x00", "")[:MAX_EXTERNAL_ID_CHARS]


def _told(reason: str) -> str:
    """No database takes NUL in text, and none takes half a surrogate pair."""
    return reason.encode("ascii", "backslashreplace").decode().replace("\x00", "")[:_MAX_REASON_CHARS]
