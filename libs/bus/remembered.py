"""Whether a log still says what a follower was told, after Redis lost its last writes. Pure.

A failover, or a restart from an older file, may take the log back a few events: the numbers that follow come a second
time, with other contents. A follower remembers its last events, so that it can find where log and memory part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

_KEPT = 32
"""A moment's events; replication lags by much less."""


class Remembered:
    """The last events that were handed out, by number."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    @property
    def oldest(self) -> int:
        """The first number that is remembered; 0: none."""
        return self._events[0][0] if self._events else 0

    def add(self, number: int, body: bytes) -> None:
        """In rising order."""
        self._events.append((number, hash(body)))

    def agreed(self, log: Mapping[int, bytes]) -> int:
        """The last number up to which the log says the same; what came after the two parted may well agree again.

        A log that begins later says nothing of what was before: it was archived and given up.
        """
        upto, first = self.oldest - 1, min(log, default=0)
        for number, known in self._events:
            if number >= first and number not in log:
                break
            if number in log and hash(log[number]) != known:
                break
            upto = number
        return upto

    def forget_after(self, number: int) -> None:
        """What came after was not kept by Redis."""
        self._events = deque(self._upto(number), maxlen=_KEPT)

    def _upto(self, number: int) -> Iterable[tuple[int, int]]:
        return [event for event in self._events if event[0] <= number]
