"""Ids that come out of the request itself, so that the same request has the same ids however often it is sent."""

from __future__ import annotations

import hashlib

from services.text_gateway.domain.chat import Line

_DIGITS = 40


def conversation_of_key(property_id: str, idempotency_key: str) -> str:
    """Id proposed for the conversation of a request with a key, for a guest whose identity is not known."""
    return f"conv-{_digest(property_id, idempotency_key)}"


def turn_of_key(property_id: str, idempotency_key: str) -> str:
    return f"turn-{_digest(property_id, idempotency_key)}"


def imported_id(conversation_id: str, position: int, line: Line) -> str:
    """Event id of an imported line: two requests that bring the same history bring it once."""
    return f"evt-{_digest(conversation_id, str(position), line.speaker.value, line.text)}"


def _digest(*parts: str) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8, "big") + encoded)
    return hashed.hexdigest()[:_DIGITS]
