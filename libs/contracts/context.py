"""What the context of a conversation begins with, whoever opens it. Staff and services add fields with events."""

from __future__ import annotations

from libs.contracts.events import ConversationOpened

FIXED_FIELDS = frozenset({"property_id", "customer_id", "reservation_id"})
"""Whose conversation it is: set when it is opened, never after."""


def opening_context(event: ConversationOpened) -> dict[str, str]:
    """The fields that a conversation begins with; what is not known is left out."""
    fields = {
        "property_id": event.property_id,
        "customer_id": event.customer_id,
        "reservation_id": event.reservation_id,
    }
    return {name: value for name, value in fields.items() if value}
