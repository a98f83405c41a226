"""Which of several providers is used: the first in order that works. Pure: the time (seconds) comes in.

A provider that failed is out. It rests, twice as long after every failure, is then tried beside the one in use, and is
in again when the trial worked: no guest of that process waits for it to be found dead a second time. When all are out,
all are used again, the one first that has rested longest.

A roster knows what its own process has met. The audio door answers all its calls in one, which learns for all of them;
in rooms every call has a process of its own, which begins with all providers in: there each call finds a dead provider
by itself, once, and what it learns goes with it.
"""

from __future__ import annotations

_LONGEST = 16
"""Rests grow to this many times the first."""


class Roster:
    """Providers by their place in the order, 0 first. `rest_s`: the rest after a first failure."""

    def __init__(self, count: int, rest_s: float) -> None:
        self._rest_s = rest_s
        self._failures = [0] * count
        self._until = [0.0] * count

    def order(self) -> list[int]:
        """All places: those that work in their order, then those that are out, the one first whose rest ends first."""
        places = range(len(self._failures))
        return sorted(places, key=lambda place: (self.out(place), self._until[place] if self.out(place) else 0, place))

    def out(self, place: int) -> bool:
        return self._failures[place] > 0

    def failed(self, place: int, now: float) -> bool:
        """Take it out, or let it rest longer. Answers whether it was in."""
        self._failures[place] += 1
        self._until[place] = now + self._rest_s * min(2 ** (self._failures[place] - 1), _LONGEST)
        return self._failures[place] == 1

    def works(self, place: int) -> bool:
        """It answered: it is in. Answers whether it was out."""
        was_out = self.out(place)
        self._failures[place] = 0
        return was_out

    def due(self, now: float) -> list[int]:
        """Places that are out, have rested, and can be tried."""
        return [place for place, failures in enumerate(self._failures) if failures and self._until[place] <= now]
