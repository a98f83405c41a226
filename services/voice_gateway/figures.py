"""What is counted of a call while it lasts."""

from __future__ import annotations

from libs.contracts.events import CallQuality
from services.voice_gateway.line import LineQuality


class Figures:
    def __init__(self) -> None:
        self.turns = self.interruptions = self.false_interruptions = 0
        self._confidences: list[float] = []

    def asked(self, confidence: float) -> None:
        """A turn; `confidence` is 0 when the recogniser does not tell."""
        self.turns += 1
        if confidence:
            self._confidences.append(confidence)

    def quality(self, line: LineQuality) -> CallQuality:
        mean = sum(self._confidences) / len(self._confidences) if self._confidences else 0.0
        return CallQuality(
            interruptions=self.interruptions,
            false_interruptions=self.false_interruptions,
            mean_confidence=round(mean, 3),
            turns=self.turns,
            packets=line.packets,
            packet_loss=line.packet_loss,
            jitter_ms=line.jitter_ms,
        )
