"""What a provider's recogniser understands."""

from __future__ import annotations

from typing import Protocol

from services.voice_gateway.speech.sphinx import Recogniser, RecogniserPool


class Ears(Protocol):
    """Hears one utterance at a time: 16 kHz mono PCM16LE. Blocking."""

    def start(self) -> None: ...

    def hear(self, pcm: bytes) -> str:
        """Answers the words so far."""

    def finish(self) -> str:
        """Answers the words of the utterance."""


class ScriptedEars:
    """Understands the lines given, one per utterance; two words of a line once half a second is heard."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self._heard = 0

    def start(self) -> None:
        self._heard = 0

    def hear(self, pcm: bytes) -> str:
        self._heard += len(pcm)
        return " ".join(self.lines[0].split()[:2]) if self.lines and self._heard > 16_000 else ""

    def finish(self) -> str:
        return self.lines.pop(0) if self.lines else ""


class HotelEars:
    """The local recogniser behind somebody else's protocol."""

    def __init__(self, pool: RecogniserPool) -> None:
        self._recogniser: Recogniser = pool.take()
        self._open = False

    def start(self) -> None:
        if self._open:  # by a connection that broke off
            self._recogniser.finish()
        self._open = True
        self._recogniser.reset()
        self._recogniser.start()

    def hear(self, pcm: bytes) -> str:
        self._recogniser.hear(pcm)
        return self._recogniser.partial()

    def finish(self) -> str:
        self._open = False
        return self._recogniser.finish().text
