"""How many turns a worker begins together. Pure: what it cost comes in as an argument."""

from __future__ import annotations

FIRST = 4
"""What is begun while nothing is known of what beginning costs."""
_LEAST = 2
_HELD = 1 / 20
"""Of a lease: for so long beginning a portion may hold up the loop, which has the lease to renew."""


class Portion:
    """Grows while a queue is long and its turns are begun quickly, and shrinks when they are not.

    To begin a turn costs its prompt and its agent: microseconds for some handlers, milliseconds of a busy machine for
    others. A brain that came to a long queue and began a turn for every slot would lose its lease over it; one that
    always begins a few lets guests wait whom it could serve.
    """

    def __init__(self, most: int, lease_s: float) -> None:
        """`most`: the slots there are."""
        self._most, self._limit_s = max(most, 1), lease_s * _HELD
        self.size = min(FIRST, self._most)

    def begun(self, count: int, held_s: float) -> None:
        """So many were begun together, and the loop was held up for so long meanwhile, by them or by what runs."""
        if held_s > self._limit_s:
            self.size = max(min(_LEAST, self._most), self.size // 2)
        elif count >= self.size and held_s < self._limit_s / 2:  # few that were begun quickly do not vouch for many
            self.size = min(self._most, self.size * 2)
