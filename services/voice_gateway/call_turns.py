"""The exchanges of one call, from question to what was heard, and which speech belongs to which.

Written by the remote brain (asked, words), the concierge (filler, fallback) and the call (audio, heard).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from livekit.agents import llm
from livekit.agents.voice import SpeechHandle

from libs.contracts.events import SpeechTimings
from services.voice_gateway.domain.timeline import Exchange

_KEPT = 64
"""Exchanges remembered; an earlier one is long settled."""


class CallTurns:
    """`clock` gives Unix seconds, as LiveKit's metrics do."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.count = 0
        self._exchanges: dict[str, Exchange] = {}
        self._waiting: deque[SpeechHandle] = deque()
        self._speeches: dict[str, str] = {}

    def speech_created(self, handle: SpeechHandle) -> None:
        """A reply is about to be generated: the next question asked is the one that it answers."""
        self._waiting.append(handle)

    def begin(self, message: llm.ChatMessage) -> Exchange:
        metrics = message.metrics
        exchange = Exchange(
            turn_id=message.id,
            text=message.text_content or "",
            confidence=message.transcript_confidence or 0.0,
            speech=SpeechTimings(
                end_of_turn_ms=_ms(metrics.get("end_of_turn_delay")),
                transcription_ms=_ms(metrics.get("transcription_delay")),
            ),
            stopped_at=metrics.get("stopped_speaking_at", 0.0),
            asked_at=self.clock(),
        )
        self._exchanges[exchange.turn_id] = exchange
        if self._waiting:
            self._speeches[self._waiting.popleft().id] = exchange.turn_id
        if len(self._exchanges) > _KEPT:
            self._exchanges.pop(next(iter(self._exchanges)))
        self.count += 1
        return exchange

    def get(self, turn_id: str) -> Exchange | None:
        return self._exchanges.get(turn_id)

    def running(self) -> Exchange | None:
        """The exchange asked last, if what was heard of it is not known yet."""
        last = next(reversed(self._exchanges.values()), None)
        return last if last and not last.settled else None

    def voiced(self) -> None:
        """The voice gave audio: of the running answer, if there are words of it. A filler's comes before them."""
        exchange = self.running()
        if exchange and exchange.first_words_at and not exchange.first_voiced_at:
            exchange.first_voiced_at = self.clock()

    def speech_done(self, handle: SpeechHandle) -> Exchange | None:
        """A speech has ended, spoken or not; answers the exchange that it left unsettled."""
        if handle in self._waiting:
            self._waiting.remove(handle)
        exchange = self._exchanges.get(self._speeches.pop(handle.id, ""))
        return exchange if exchange and not exchange.settled else None

    def open(self) -> list[Exchange]:
        return [exchange for exchange in self._exchanges.values() if not exchange.settled]


def _ms(seconds: float | None) -> float:
    return round((seconds or 0.0) * 1000, 1)
