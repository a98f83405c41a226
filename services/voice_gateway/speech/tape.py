"""The guest's last words as audio, kept until they are recognised: a recogniser that takes over hears them again."""

from __future__ import annotations

from collections import deque

from livekit import rtc

_LEAD_S = 0.5
"""Kept before speech begins: voice activity is noticed late."""
_LONGEST_S = 20.0


class Tape:
    """Grows while words are awaited; else it keeps the last half second."""

    def __init__(self) -> None:
        self._frames: deque[rtc.AudioFrame] = deque()
        self._kept_s = 0.0
        self.awaited = False
        """Something was said that is not recognised yet."""

    @property
    def seconds(self) -> float:
        return self._kept_s

    def frames(self) -> list[rtc.AudioFrame]:
        return list(self._frames)

    def add(self, frame: rtc.AudioFrame) -> None:
        self._frames.append(frame)
        self._kept_s += frame.duration
        self._trim(_LONGEST_S if self.awaited else _LEAD_S)

    def cut(self, keep_s: float) -> None:
        """Forget all but the last `keep_s` seconds."""
        self._trim(keep_s)

    def _trim(self, keep_s: float) -> None:
        while self._frames and self._kept_s - self._frames[0].duration >= keep_s:
            self._kept_s -= self._frames.popleft().duration
