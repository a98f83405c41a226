"""A model that is silent for longer than any lease: its brain is alive, and nobody takes its turn."""

from __future__ import annotations

from tests.bus.support.handlers import Led
from tests.bus.support.recording import Recording
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually

OFTEN = 60
"""Looks of the other brain, 40 ms apart: more than two leases."""


async def test_a_slow_but_live_turn_keeps_its_lease(stage: Stage) -> None:
    led, other, seen = Led(), Led(), Recording()
    await stage.worker("w1", led, lease_ms=1_000)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await eventually(lambda: led.began("t1"))
    await stage.worker("w2", other, observer=seen, lease_ms=1_000)

    await eventually(lambda: seen.counted("reaped", "live") > OFTEN, within_s=60)

    led.end("t1", "At last.")
    assert (await listener.reply("t1")).text == "At last."
    assert [turn.grant.attempt for turn in led.turns] == [1]
    assert not other.turns
