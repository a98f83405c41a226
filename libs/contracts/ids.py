"""What an id may look like, and how ids that come from outside are made safe for key names."""

from __future__ import annotations

import re
from urllib.parse import quote

from libs.contracts.errors import InvalidRequest
from libs.contracts.limits import MAX_EXTERNAL_ID_CHARS, MAX_ID_CHARS

_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.\-]{{0,{MAX_ID_CHARS - 1}}}")


def is_id(text: str) -> bool:
    """Whether `text` can be an id of ours: letters, digits, `_`, `.` and `-`, 64 characters at most."""
    return _ID.fullmatch(text) is not None


def check_id(text: str, field: str) -> str:
    """Return `text`, or raise `InvalidRequest` naming `field`."""
    if not is_id(text):
        raise InvalidRequest(f"{field}: letters, digits, '_', '.' and '-' only, {MAX_ID_CHARS} at most")
    return text


def check_external_id(text: str, field: str) -> str:
    """Return an id given by a hotel system: any printable text, limited in length; else `InvalidRequest`."""
    if not text or len(text) > MAX_EXTERNAL_ID_CHARS or not text.isprintable():
        raise InvalidRequest(f"{field}: printable text of 1 to {MAX_EXTERNAL_ID_CHARS} characters")
    return text


def identity_of(property_id: str, *, reservation_id: str = "", customer_id: str = "") -> str:
    """The guest's identity within a property: the reservation, else the customer; '' when neither is known.

    Percent-encoded, so that no character of an outside id can reach into another key.
    """
    if reservation_id:
        return f"{property_id}/reservation/{quote(reservation_id, safe='')}"
    if customer_id:
        return f"{property_id}/customer/{quote(customer_id, safe='')}"
    return ""
