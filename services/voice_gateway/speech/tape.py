"""The guest's last words as audio, kept until they are recognised: a recogniser that takes over hears them again."""

from __future__ import annotations

from collections import deque

from livekit import rtc

_LEAD_S = 0.5
"""Kept before speech begins: voice activity is noticed a little after it."""
_LONGEST_S = 30.0


class Tape:
    """Grows while words are awaited; else it keeps what voice activity detection has not examined, and a little before
    that. Bounded."""

    def __init__(self) -> None:
        self._frames: deque[rtc.AudioFrame] = deque()
        self._end_s = self._kept_s = self._examined_s = 0.0
        self.awaited = False
        """Something was said that is not recognised yet."""

    @property
    def seconds(self) -> float:
        return self._kept_s

    def frames(self) -> list[rtc.AudioFrame]:
        return list(self._frames)

    def add(self, frame: rtc.AudioFrame) -> None:
        self._frames.append(frame)
        self._end_s += frame.duration
        self._kept_s += frame.duration
        self._forget(self._end_s - _LONGEST_S)

    def examined(self, seconds: float) -> None:
        """Whether there is speech is known up to this second of all that was added."""
        self._examined_s = seconds
        if not self.awaited:
            self._forget(seconds - _LEAD_S)

    def recognised(self, keep_s: float) -> None:
        """Forget what was examined but for its last `keep_s` seconds."""
        self._forget(self._examined_s - keep_s)

    def _forget(self, until_s: float) -> None:
        while self._frames and self._end_s - self._kept_s + self._frames[0].duration <= until_s:
            self._kept_s -= self._frames.popleft().duration
