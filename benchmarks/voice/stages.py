"""Where the time of a turn went: what the guest measured, cut at moments that both sides note. Pure.

All clocks are one machine's wall clock; a moment that was not noted leaves its stages out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.voice.guest import Asked, Call, Interrupted
from benchmarks.voice.journal import Generation, Note, Said
from benchmarks.voice.plan import Side
from libs.contracts.events import AnyEvent, MessageReceived, ReplyGenerated, ReplyHeard, ReplyStatus
from services.voice_gateway.domain.wording import words_of

HEARING, THINKING, VOICING, RETURNING = (
    "end of speech -> model asked",
    "model asked -> first words at the voice",
    "first words -> first audio leaves",
    "first audio leaves -> heard",
)
STAGES = (HEARING, THINKING, VOICING, RETURNING)


class Turn(msgspec.Struct, frozen=True):
    """One question to one side. Milliseconds."""

    side: Side
    round: int
    question: str
    recognised: str
    answer: str
    first_audio_ms: float
    """Last sound of the question -> first sound of the answer, both at the guest."""
    stages: dict[str, float]
    inside: dict[str, float]
    """Ours only: what the events tell."""

    @property
    def understood(self) -> bool:
        """Word for word; another question may have another answer, and is not compared."""
        return words_of(self.question) == words_of(self.recognised)


class Cut(msgspec.Struct, frozen=True):
    """One interruption of one side. Milliseconds from its first sound."""

    side: Side
    round: int
    silence_ms: float
    stopped_ms: float | None
    """The model was stopped; None: it was not, before the guest was answered."""
    understood: bool
    """The long answer was what was interrupted."""


class _Moments(msgspec.Struct, frozen=True):
    """Unix seconds; 0: not noted."""

    asked_s: float
    first_s: float
    playing_s: float


def turns_of(call: Call, number: int, events: Sequence[AnyEvent], notes: Sequence[Note]) -> list[Turn]:
    """The turns of a call in a round, from ours' events or from the peer's notes."""
    turns = []
    for asked in call.turns:
        inside = _inside(asked, events)
        moments = _our_moments(asked, inside) if call.side is Side.OURS else _peer_moments(asked, notes)
        turns.append(
            Turn(
                side=call.side,
                round=number,
                question=asked.question,
                recognised=asked.recognised,
                answer=asked.answer,
                first_audio_ms=(asked.audio_s - asked.end_s) * 1000,
                stages=_stages(asked, moments) if moments else {},
                inside={name: value for name, value in inside.items() if name != _ASKED},
            )
        )
    return turns


def cuts_of(call: Call, number: int, events: Sequence[AnyEvent], notes: Sequence[Note]) -> list[Cut]:
    """The interruptions of a call."""
    ends = list(_cancelled(events) if call.side is Side.OURS else _broken_off(notes))
    return [
        Cut(call.side, number, (cut.silent_s - cut.at_s) * 1000, _stopped_ms(cut, ends), cut.understood)
        for cut in call.interruptions
    ]


_ASKED = "asked"


def _inside(asked: Asked, events: Sequence[AnyEvent]) -> dict[str, float]:
    """Ours' own figures of a turn in milliseconds, and when it was asked."""
    messages = [event for event in events if isinstance(event, MessageReceived)]
    message = next((one for one in reversed(messages) if asked.from_s < one.time_ms / 1000 < asked.audio_s), None)
    if message is None:
        return {}
    told: dict[str, float] = {_ASKED: message.time_ms}
    for event in (message, *(event for event in events if event.turn_id == message.turn_id)):
        timings = event.speech if isinstance(event, MessageReceived) else getattr(event, "timings", None)
        if timings and isinstance(event, MessageReceived | ReplyGenerated | ReplyHeard):
            told |= {name: float(value) for name, value in msgspec.structs.asdict(timings).items()}
    return told


def _our_moments(asked: Asked, inside: dict[str, float]) -> _Moments | None:
    if not inside.get("tts_ms"):
        return None
    first_s = (inside[_ASKED] + inside["first_chunk_ms"]) / 1000
    return _Moments(inside[_ASKED] / 1000, first_s, first_s + inside["tts_ms"] / 1000)


def _peer_moments(asked: Asked, notes: Sequence[Note]) -> _Moments | None:
    runs = [note for note in notes if isinstance(note, Generation) and asked.from_s < note.asked_s < asked.audio_s]
    begun = [note.metrics.get("started_speaking_at", 0.0) for note in notes if isinstance(note, Said)]
    playing = [at for at in begun if asked.end_s < at < asked.audio_s]
    if not runs or not runs[-1].first_s or not playing:
        return None
    return _Moments(runs[-1].asked_s, runs[-1].first_s, playing[-1])


def _stages(asked: Asked, moments: _Moments) -> dict[str, float]:
    edges = (asked.end_s, moments.asked_s, moments.first_s, moments.playing_s, asked.audio_s)
    return {name: (end - begin) * 1000 for name, begin, end in zip(STAGES, edges[:-1], edges[1:], strict=True)}


def _stopped_ms(cut: Interrupted, ends: Sequence[float]) -> float | None:
    return next((((at - cut.at_s) * 1000) for at in ends if cut.at_s < at < cut.until_s), None)


def _cancelled(events: Iterable[AnyEvent]) -> Iterable[float]:
    for event in events:
        if isinstance(event, ReplyGenerated) and event.status is ReplyStatus.CANCELLED:
            yield event.time_ms / 1000


def _broken_off(notes: Iterable[Note]) -> Iterable[float]:
    for note in notes:
        if isinstance(note, Generation) and not note.finished:
            yield note.ended_s
