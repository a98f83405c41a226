"""When the stages of one spoken turn happened, and how long they took. Pure: times are seconds, told by the caller."""

from __future__ import annotations

import dataclasses

from libs.contracts.events import HeardTimings, SpeechTimings


@dataclasses.dataclass(slots=True)
class Exchange:
    """One question and its answer."""

    turn_id: str
    text: str
    confidence: float
    speech: SpeechTimings
    stopped_at: float
    """The guest stopped speaking; 0: not known."""
    asked_at: float
    first_words_at: float = 0.0
    first_voiced_at: float = 0.0
    """The voice gave the first audio of the answer."""
    first_audio_at: float = 0.0
    """The answer's own first audio, not the filler's."""
    generated: str = ""
    """Text given to the voice, the filler left out, the fallback included."""
    filler: str = ""
    segments_at_ask: int = 0
    """Playback segments of the call that had begun when the turn was handed over."""
    filler_segments: int = 0
    """Segments between that and the answer's own."""
    heard_ms: int = 0
    """Audio of the answer that was played."""
    excused: bool = False
    """The answer broke off, and the guest was asked to ask again: what it promised does not hold."""
    settled: bool = False
    """What was heard has been reported."""
    trace: str = ""
    """The turn's traceparent."""

    def timings(self) -> HeardTimings:
        """Milliseconds; 0 for a stage that did not happen."""
        return HeardTimings(
            first_chunk_ms=_ms(self.asked_at, self.first_words_at),
            tts_ms=_ms(self.first_words_at, self.first_audio_at),
            first_audio_ms=_ms(self.stopped_at, self.first_audio_at),
        )


def _ms(begin: float, end: float) -> float:
    return round((end - begin) * 1000, 1) if begin and end and end >= begin else 0.0
