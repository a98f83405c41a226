"""How many turns a worker begins together. Pure: what time it took comes in as an argument."""

from __future__ import annotations

FIRST = 4
"""What is begun, twice, before anything is known of what beginning costs."""
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
        self._before = 0

    def begun(self, asked: int, got: int, took_s: float) -> None:
        """A read asked for so many turns and got some, which were begun; read and beginning took so long.

        Only what a read got at once tells anything: one that had to wait gets less than it asked for, or its only one.
        While it was under way the portion before was begun, so that one says whether more can be.
        """
        before, self._before = self._before, got
        if not got == asked > 1:
            return
        if took_s > self._limit_s:
            self.size = max(min(_LEAST, self._most), self.size // 2)
        elif before >= self.size and took_s < self._limit_s / 2:
            self.size = min(self._most, self.size * 2)
