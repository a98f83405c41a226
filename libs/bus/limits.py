"""How often a caller may do something, over all processes together: token buckets in Redis, filled by its clock."""

from __future__ import annotations

import asyncio

import msgspec

from libs.bus.bus import Bus
from libs.contracts.errors import BusUnavailable
from libs.contracts.ids import check_id

_MIN_MS_PER_TOKEN = 0.001


class Rate(msgspec.Struct, frozen=True):
    """So many a second in the long run, and `burst` at once after a rest."""

    per_s: float
    burst: int


class Buckets:
    """Raises `BusUnavailable` when Redis does not answer within `timeout_ms`: whoever asks decides what follows."""

    def __init__(self, bus: Bus, *, timeout_ms: int = 250) -> None:
        self._bus = bus
        self._timeout_s = timeout_ms / 1000

    async def spend(self, property_id: str, caller: str, what: str, rate: Rate) -> int:
        """Take one of the caller's tokens for `what`, a word of ours; 0 when there was one, else milliseconds until
        there is."""
        keys = self._bus.keys(property_id)
        commands = self._bus.at(keys)
        bucket, each_ms = keys.rate(check_id(caller, "caller"), what), max(_MIN_MS_PER_TOKEN, 1000 / rate.per_s)
        if not commands.connected:  # a command would wait for Redis: a limit is not worth that
            raise BusUnavailable
        try:
            async with asyncio.timeout(self._timeout_s):
                taken, told = await commands.call("spend", [bucket], [rate.burst, repr(each_ms)])
        except TimeoutError as error:
            raise BusUnavailable from error
        return 0 if taken else max(1, int(told))
