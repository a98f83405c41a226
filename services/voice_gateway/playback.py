"""Which of the concierge's audio belongs to which answer: when it began, and how much of it was played."""

from __future__ import annotations

from services.voice_gateway.audio import SAMPLE_RATE, PlayoutWhat
from services.voice_gateway.call_turns import CallTurns


class Playback:
    """Told every playout event of a call, in order."""

    def __init__(self, turns: CallTurns) -> None:
        self._turns = turns
        self._segments = 0
        self._playing_from: int | None = None
        self._turn_id = ""

    @property
    def segments(self) -> int:
        """Segments begun so far."""
        return self._segments

    def note(self, what: PlayoutWhat, position: int) -> None:
        """`position` is in samples of the call."""
        if what == "started":
            self._segments += 1
            self._turn_id = self._owner()
        if what in ("started", "resumed"):
            self._playing_from = position
        elif self._playing_from is not None:
            exchange = self._turns.get(self._turn_id)
            if exchange:
                exchange.heard_ms += (position - self._playing_from) * 1000 // SAMPLE_RATE
            self._playing_from = None

    def _owner(self) -> str:
        """The exchange whose answer this segment is; '' for a greeting, a filler or a reprompt."""
        exchange = self._turns.running()
        if exchange is None or self._segments <= exchange.segments_at_ask + exchange.filler_segments:
            return ""
        if not exchange.first_audio_at:
            exchange.first_audio_at = self._turns.clock()
        return exchange.turn_id
