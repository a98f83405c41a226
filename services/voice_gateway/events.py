"""What a call tells whoever watches it: the audio door's client, the demo, tests. One closed union, JSON by msgspec.

Positions count samples of the concierge's side since the call began, silence included (16,000 a second).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from libs.contracts.events import CallQuality, HeardTimings, SpeechTimings
from services.voice_gateway.ports import EndReason


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all call events."""


class Ready(CallEvent, frozen=True, kw_only=True, tag="ready"):
    """The call stands: audio flows both ways."""

    conversation_id: str
    call_id: str
    sample_rate: int


class Listening(CallEvent, frozen=True, kw_only=True, tag="state"):
    """Who does what: guest speaking | listening | away; concierge initializing | idle | listening | thinking |
    speaking."""

    guest: str
    concierge: str


class Transcript(CallEvent, frozen=True, kw_only=True, tag="transcript"):
    """What is recognised of the guest; `final` words do not change any more."""

    text: str
    final: bool


class Asked(CallEvent, frozen=True, kw_only=True, tag="asked"):
    """A turn was handed to the brain."""

    turn_id: str
    text: str
    confidence: float
    speech: SpeechTimings


class NotUnderstood(CallEvent, frozen=True, kw_only=True, tag="not-understood"):
    """The guest's words were too uncertain to answer; the concierge asks again."""

    text: str
    confidence: float


class Caption(CallEvent, frozen=True, kw_only=True, tag="caption"):
    """Words of the concierge as they are played."""

    text: str


class Playout(CallEvent, frozen=True, kw_only=True, tag="playout"):
    """The concierge's voice `started`, `paused`, `resumed`, `finished` or was `cut` at a position."""

    what: str
    position: int
    segment: int


class Heard(CallEvent, frozen=True, kw_only=True, tag="heard"):
    """What the guest heard of the answer to a turn."""

    turn_id: str
    generated: str
    heard: str
    complete: bool
    heard_ms: int
    filler: str
    timings: HeardTimings


class Elsewhere(CallEvent, frozen=True, kw_only=True, tag="elsewhere"):
    """Something happened in the conversation outside this call."""

    kind: str
    channel: str
    number: int


class Trouble(CallEvent, frozen=True, kw_only=True, tag="trouble"):
    """A part of the call failed; `fatal` when the call cannot go on."""

    part: str
    error: str
    fatal: bool


class Ended(CallEvent, frozen=True, kw_only=True, tag="ended"):
    reason: EndReason
    duration_ms: int
    quality: CallQuality


AnyCallEvent = (
    Ready | Listening | Transcript | Asked | NotUnderstood | Caption | Playout | Heard | Elsewhere | Trouble | Ended
)
Watcher = Callable[[AnyCallEvent], None]
