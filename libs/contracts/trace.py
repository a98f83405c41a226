"""W3C trace context as messages bear it: `00-<trace id>-<span id>-<flags>`. Pure: who makes ids brings them."""

from __future__ import annotations

import re

import msgspec

MAX_TRACEPARENT_CHARS = 256
"""What a client sends may be longer in a later version of the header, but not any length."""
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?", re.ASCII)
_SAMPLED = 1


class TraceContext(msgspec.Struct, frozen=True):
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 of them."""
    sampled: bool = False


def parse_traceparent(text: str) -> TraceContext | None:
    """What a `traceparent` says; None for anything that is none, by the rules of W3C Trace Context."""
    found = _FORM.fullmatch(text) if len(text) <= MAX_TRACEPARENT_CHARS else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def traceparent(context: TraceContext) -> str:
    """As version 00, which every reader knows."""
    return f"00-{context.trace_id}-{context.span_id}-{int(context.sampled):02x}"


def valid_traceparent(text: str) -> str:
    """`text` in version 00; '' for what is no trace context: a client's nonsense begins a trace of our own."""
    context = parse_traceparent(text)
    return traceparent(context) if context else ""
