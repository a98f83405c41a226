"""Who begins to follow in the middle of a reply, at a gateway that its brain does not know yet."""

from __future__ import annotations

from tests.bus.support.handlers import Led
from tests.bus.support.stage import PATIENT, Stage


async def test_the_word_after_a_late_follower_came_was_told_with_the_next_one_only(stage: Stage) -> None:
    """The emit that tells the brain of a new gateway does not reach that gateway itself."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    await stage.open("c")
    early = await stage.listen(await stage.feed(**PATIENT), "c")
    await stage.accept("c", "t1")
    led.say("t1", "One ")
    await early.said("t1", "One ")
    late = await stage.listen(await stage.feed("g2", **PATIENT), "c")
    await late.said("t1", "One ")
    led.say("t1", "two ")
    await late.said("t1", "One two ")
    led.end("t1", "three")
    assert (await late.reply("t1")).text == "One two three"
