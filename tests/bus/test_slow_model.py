"""A model that is silent for longer than any lease: its brain is alive, and nobody takes its turn."""

from __future__ import annotations

from tests.bus.support.handlers import Led
from tests.bus.support.recording import Recording
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually

OFTEN = 60
"""Looks of the other brain."""
LEASE_MS = 4_000
"""Longer than a machine stalls."""


async def lease(stage: Stage) -> float:
    """When that of w1 ends."""
    return float(await stage.send("ZSCORE", stage.keys.leases, "w1"))


async def test_a_slow_but_live_turn_keeps_its_lease(stage: Stage) -> None:
    led, other, seen = Led(), Led(), Recording()
    await stage.worker("w1", led, lease_ms=LEASE_MS)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await eventually(lambda: led.began("t1"))
    before = await lease(stage)
    await stage.worker("w2", other, observer=seen, lease_ms=LEASE_MS)

    await eventually(lambda: seen.counted("reaped", "live") > OFTEN, within_s=60)

    async def two_leases_later() -> bool:
        return await lease(stage) > before + 2 * LEASE_MS

    await eventually(two_leases_later, within_s=60)

    led.end("t1", "At last.")
    assert (await listener.reply("t1")).text == "At last."
    assert [turn.grant.attempt for turn in led.turns] == [1]
    assert not other.turns
