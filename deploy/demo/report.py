"""The demo's report: one row per turn, put together from the store's events and from what the phone was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from deploy.demo.phone import Event
from services.voice_gateway.domain.wording import word_error_rate

Row = dict[str, Any]


class Line(NamedTuple):
    """What the guest said or wrote, by turn."""

    text: str
    channel: str


def turn_rows(events: Sequence[Mapping[str, Any]], lines: Mapping[str, Line]) -> list[Row]:
    """Rows in the order in which the turns were accepted. Times are milliseconds."""
    rows: dict[str, Row] = {}
    for event in events:
        turn = event.get("turn_id", "")
        match event["type"]:
            case "message.received":
                rows[turn] = _opened(event, lines.get(turn))
            case "reply.generated" if turn in rows:
                rows[turn] |= {"generated": event["text"], "status": event["status"], "model": event.get("model", "")}
                rows[turn]["timings_ms"] |= _stages(event.get("timings"))
            case "reply.heard" if turn in rows:
                rows[turn] |= {"heard": event["text"], "interrupted": not event["complete"]}
                rows[turn]["heard_ms"] = event.get("heard_ms", 0)
                rows[turn]["timings_ms"] |= _stages(event.get("timings"))
    return list(rows.values())


def latency_line(row: Row) -> str:
    """The stages of a turn in one line; a stage that did not happen is left out."""
    names = {
        "end_of_turn_ms": "end of turn",
        "queue_ms": "queue",
        "context_ms": "context",
        "first_token_ms": "first token",
        "first_chunk_ms": "first chunk",
        "tts_ms": "tts",
        "first_audio_ms": "silence to first audio",
        "answer_ms": "request to answer",
    }
    timings = row["timings_ms"]
    return " | ".join(f"{name} {timings[key]:.0f}" for key, name in names.items() if key in timings) + " ms"


def silence_after(events: Sequence[Event], start: int) -> Event | None:
    """The first playout event that ends speech, from an index on."""
    return next((e for e in events[start:] if e["type"] == "playout" and e["what"] in ("cut", "finished")), None)


def _opened(event: Mapping[str, Any], line: Line | None) -> Row:
    said = line.text if line else ""
    row: Row = {
        "turnId": event["turn_id"],
        "channel": event["channel"],
        "said": said,
        "recognised": event["text"],
        "generated": "",
        "heard": None,
        "interrupted": False,
        "timings_ms": _stages(event.get("speech")),
    }
    if event["channel"] == "voice":
        row["wordErrorRate"] = round(word_error_rate(said, event["text"]), 3) if said else None
        row["confidence"] = round(event.get("confidence", 0.0), 3)
    return row


def _stages(timings: Mapping[str, float] | None) -> dict[str, float]:
    return {name: round(value, 1) for name, value in (timings or {}).items()}
