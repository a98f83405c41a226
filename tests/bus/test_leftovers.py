"""What a gateway leaves behind that was killed."""

from __future__ import annotations

from tests.bus.support.conversation import heard
from tests.bus.support.stage import Stage


async def test_a_hint_to_a_gateway_that_died_before_its_first_reply_stayed_for_ever(stage: Stage) -> None:
    await stage.open("c")
    await stage.accept("c", "t1", gateway_id="crashed")
    await stage.conversations.append(heard("c", "h1"))
    stream = stage.keys.chunks("crashed")
    assert await stage.send("XLEN", stream) > 0
    assert await stage.send("PTTL", stream) > 0
    assert await stage.send("PTTL", stage.keys.subs("c")) > 0
