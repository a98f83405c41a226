"""What a guest heard and when it arrived: silences and first words are measured here, from the audio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LOUD_RMS = 200.0
"""Of 32767. Above it a frame is speech: background after a codec stays under 50, the quietest vowels reach 1000."""
SPEECH_PAUSE_S = 0.3
"""A silence of this length inside of speech still belongs to it."""
_DRIFT_S = 0.15
"""Frames that come in a bunch, or late, keep their places in the stream, up to this distance from their arrival."""
_JOIN_S = 0.05

Samples = npt.NDArray[np.int16]


class Span(NamedTuple):
    """From one time to another, seconds of the clock that the recording was made with."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


@dataclass
class _Piece:
    """Frames that followed each other without a gap."""

    start_s: float
    pcm: bytearray

    def end_s(self, rate: int) -> float:
        return self.start_s + len(self.pcm) / 2 / rate


class Recording:
    """PCM16LE mono by time of arrival, from one source or several (a concierge that was replaced): they are mixed."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._pieces: list[_Piece] = []
        self._current: dict[str, _Piece] = {}
        self._loud: list[Span] = []

    def write(self, source: str, arrived_s: float, pcm: bytes) -> None:
        """A frame that arrived, whole, at this time. Frames of one source come in order."""
        length = len(pcm) / 2 / self.sample_rate
        piece = self._current.get(source)
        if piece is None or abs(arrived_s - length - piece.end_s(self.sample_rate)) > _DRIFT_S:
            piece = self._current[source] = _Piece(arrived_s - length, bytearray())
            self._pieces.append(piece)
        start = piece.end_s(self.sample_rate)
        piece.pcm += pcm
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
        if samples.size and float(np.sqrt(np.mean(samples * samples))) >= LOUD_RMS:
            self._loud[-1:] = _joined([*self._loud[-1:], Span(start, start + length)], _JOIN_S)

    @property
    def span(self) -> Span:
        """From the first sample to the last; (0, 0) when there is none."""
        if not self._pieces:
            return Span(0.0, 0.0)
        ends = [piece.end_s(self.sample_rate) for piece in self._pieces]
        return Span(min(piece.start_s for piece in self._pieces), max(ends))

    def voiced(self, after_s: float = 0.0, *, pause_s: float = SPEECH_PAUSE_S) -> list[Span]:
        """Stretches of speech, in order; not those that ended before `after_s`. Shorter pauses do not part them."""
        return _joined([span for span in self._loud if span.end_s > after_s], pause_s)

    def longest_silence(self, start_s: float, end_s: float) -> Span:
        """Where the guest heard nothing for longest between two times, whether silence came or nothing at all."""
        edges = [start_s]
        for span in self.voiced(start_s, pause_s=0.0):
            if span.start_s < end_s:
                edges += [max(span.start_s, start_s), min(span.end_s, end_s)]
        edges.append(end_s)
        silences = [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
        return max(silences, key=lambda silence: silence.length_s)

    def pcm(self, start_s: float, end_s: float) -> bytes:
        """What was heard between two times; silence where nothing came."""
        mixed = np.zeros(max(0, round((end_s - start_s) * self.sample_rate)), dtype=np.int32)
        for piece in self._pieces:
            _add(
                mixed, np.frombuffer(bytes(piece.pcm), dtype="<i2"), round((piece.start_s - start_s) * self.sample_rate)
            )
        return np.clip(mixed, -32_768, 32_767).astype("<i2").tobytes()


def _add(mixed: npt.NDArray[np.int32], samples: Samples, at: int) -> None:
    """Add samples to a mix at a position, which may be outside of it."""
    first, last = max(at, 0), min(at + samples.size, mixed.size)
    if first < last:
        mixed[first:last] += samples[first - at : last - at]


def _joined(spans: Iterable[Span], pause_s: float) -> list[Span]:
    """In order of time, with those that are no more than a pause apart made one."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start_s - joined[-1].end_s <= pause_s:
            joined[-1] = Span(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    return joined
