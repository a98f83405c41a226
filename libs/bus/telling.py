"""What operators read about dead letters and groups: lines for people, mappings for programs. Pure.

A guest's words are shown only when they are asked for. Control characters are escaped: a terminal obeys some.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from libs.bus.dead import Letter, Story
from libs.bus.groups import EventGroup
from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import (
    AnyEvent,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ToolCompleted,
    ToolRequested,
)

_MAX_WORDS_CHARS = 2_000
HEAD = f"{'letter':<24}{'age':>7}  {'kind':<6}{'property':<14}{'conversation':<26}{'turn':<26}{'runs':>4}  reason"


def row(letter: Letter, now_ms: int) -> str:
    """One line; never the guest's words."""
    runs = "?" if letter.attempts is None else str(letter.attempts)
    where = (
        f"{_short(letter.property_id, 13):<14}{_short(letter.conversation_id, 25):<26}{_short(letter.turn_id, 25):<26}"
    )
    return f"{letter.id:<24}{age(now_ms - letter.time_ms):>7}  {letter.kind:<6}{where}{runs:>4}  {plain(letter.reason)}"


def mapping(letter: Letter, now_ms: int, *, words: bool = False) -> dict[str, Any]:
    """For programs. `message` is the guest's words, or what could not be read: only with `words`."""
    told: dict[str, Any] = {
        "id": letter.id,
        "time": moment(letter.time_ms),
        "ageSeconds": max(0, now_ms - letter.time_ms) // 1000,
        "kind": letter.kind.value,
        "propertyId": letter.property_id,
        "conversationId": letter.conversation_id,
        "turnId": letter.turn_id,
        "number": letter.number,
        "runs": letter.attempts,
        "tried": list(letter.tried),
        "worker": letter.worker_id,
        "entry": letter.entry,
        "reason": letter.reason,
        "bytes": len(letter.body),
    }
    if words:
        told["message"] = message_of(letter)
    return told


def whole(letter: Letter, story: Story, now_ms: int, *, words: bool) -> dict[str, Any]:
    """Everything known: the letter, its conversation now, and the events of its turn."""
    events = [event_mapping(event, words=words) for event in story.events]
    return mapping(letter, now_ms, words=words) | {"conversation": story.state, "events": events}


def message_of(letter: Letter) -> str:
    """The guest's words; for an entry that could not be read, the entry."""
    try:
        event = decode(letter.body)
    except MalformedMessage:
        return letter.body.decode(errors="replace")
    return event.text if isinstance(event, MessageReceived) else letter.body.decode(errors="replace")


def event_mapping(event: AnyEvent, *, words: bool) -> dict[str, Any]:
    """An event without what anybody said, unless `words`."""
    told: dict[str, Any] = {
        "number": event.number,
        "time": moment(event.time_ms),
        "type": str(type(event).__struct_config__.tag),
        "author": event.author.value,
        "channel": event.channel.value,
    }
    said = ""
    match event:
        case ReplyGenerated():
            told |= {"status": event.status.value, "reason": event.reason}
            said = event.text
        case ToolRequested():
            told |= {"tool": event.name, "callId": event.call_id, "idempotencyKey": event.idempotency_key}
            said = event.arguments
        case ToolCompleted():
            told |= {"tool": event.name, "callId": event.call_id, "ok": event.ok}
            said = event.result
        case MessageReceived() | ReplyHeard():
            said = event.text
    return told | ({"words": said} if words and said else {})


def lines(told: dict[str, Any]) -> list[str]:
    """What `whole` tells, for people."""
    out = []
    for name, value in told.items():
        if name == "events":
            out += ["events of the turn:", *(f"  {_event_line(event)}" for event in value)]
        elif isinstance(value, list):
            out += [f"{name}:", *(f"  {plain(str(one))}" for one in value)] if value else []
        elif value not in ("", None):
            out.append(f"{name + ':':<16}{plain(str(value))}")
    return out


def _event_line(event: dict[str, Any]) -> str:
    rest = ", ".join(f"{name} {plain(str(value))}" for name, value in event.items() if name not in _HEADED)
    return f"{event['number']:>4}  {event['time']}  {event['type']:<18}{event['author']}/{event['channel']}  {rest}"


_HEADED = frozenset({"number", "time", "type", "author", "channel"})


def group_row(group: EventGroup) -> str:
    """One line about a group of the events stream."""
    state = "declared" if group.declared else "not declared"
    if group.dropped:
        return f"{group.shard}events  {group.group:<20}{state:<14}dropped by an operator: nobody waits for it"
    if not group.present:
        return (
            f"{group.shard}events  {group.group:<20}{state:<14}ABSENT: nothing is trimmed until it is back or dropped"
        )
    lag = "?" if group.lag is None else str(group.lag)
    reader = "no reader" if group.idle_ms is None else f"reader {age(group.idle_ms)} ago"
    return f"{group.shard}events  {group.group:<20}{state:<14}lag {lag}, pending {group.pending}, {reader}"


def as_json(told: Sequence[dict[str, Any]] | dict[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2)


def moment(time_ms: int) -> str:
    """RFC 3339 in UTC."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(time_ms)


def age(ms: int) -> str:
    """Milliseconds for people: `340ms`, `12s`, `5m`, `3h`, `9d`."""
    seconds = max(0, ms) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(0, ms)}ms"


def plain(text: str) -> str:
    """One line that no terminal obeys."""
    cut = text if len(text) <= _MAX_WORDS_CHARS else text[:_MAX_WORDS_CHARS] + "..."
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in cut)


def _short(text: str, chars: int) -> str:
    return plain(text) if len(text) <= chars else plain(text[: chars - 2]) + ".."
