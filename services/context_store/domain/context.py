"""The context of a conversation, from its events: who the guest is, and what was noted since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from libs.contracts.context import FIXED_FIELDS, opening_context
from libs.contracts.errors import InvalidRequest
from libs.contracts.events import AnyEvent, ContextUpdated, ConversationOpened
from libs.contracts.limits import MAX_CONTEXT_FIELDS, MAX_CONTEXT_VALUE_CHARS

KINDS = ("conversation.opened", "context.updated")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def context_of(events: Iterable[AnyEvent]) -> dict[str, str]:
    """The fields after all events, in log order; an empty value has removed its field."""
    fields: dict[str, str] = {}
    for event in events:
        match event:
            case ConversationOpened():
                fields |= opening_context(event)
            case ContextUpdated():
                fields |= event.fields
    return {name: value for name, value in fields.items() if value}


def check_update(current: Mapping[str, str], update: Mapping[str, str | None]) -> dict[str, str]:
    """The update as an event carries it, None as '' (removed). `InvalidRequest` names the field that cannot be."""
    if not update:
        raise InvalidRequest("fields: at least one")
    for name, value in update.items():
        if not _NAME.fullmatch(name) or name in FIXED_FIELDS:
            raise InvalidRequest(f"fields: {name[:64]!a} cannot be set")
        if value is not None and (len(value) > MAX_CONTEXT_VALUE_CHARS or "\x00" in value):
            raise InvalidRequest(f"fields: {name}: text of at most {MAX_CONTEXT_VALUE_CHARS} characters")
    change = {name: value or "" for name, value in update.items()}
    after = [name for name, value in {**current, **change}.items() if value]
    if len(after) > MAX_CONTEXT_FIELDS:
        raise InvalidRequest(f"fields: {len(after)} after this update, {MAX_CONTEXT_FIELDS} at most")
    return change
