"""Which replies of a call have been spoken to their end: what was promised in one is done behind it."""

from __future__ import annotations

import asyncio

_KEPT = 64
"""Turns remembered: what an earlier one promised was done, or not, long ago."""


class Spoken:
    """Told of every question that is asked and of what was heard of its answer."""

    def __init__(self) -> None:
        self._outcomes: dict[str, asyncio.Future[bool]] = {}
        self._last = ""

    def asked(self, turn_id: str) -> None:
        self._outcomes.setdefault(turn_id, asyncio.get_running_loop().create_future())
        self._last = turn_id
        if len(self._outcomes) > _KEPT:
            self._outcomes.pop(next(iter(self._outcomes))).cancel()

    def settled(self, turn_id: str, *, complete: bool) -> None:
        """`complete`: the guest heard all of the answer."""
        outcome = self._outcomes.get(turn_id)
        if outcome and not outcome.done():
            outcome.set_result(complete)

    async def wait(self, turn_id: str, within_s: float) -> bool:
        """Wait until the reply has been spoken: True when the guest heard it to its end and has said nothing since.

        At once for a turn that was not asked in this call: there is nothing to wait for.
        """
        outcome = self._outcomes.get(turn_id)
        if outcome is None:
            return True
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(outcome) and turn_id == self._last
        except TimeoutError:
            return False
