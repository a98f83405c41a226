"""Following while something is wrong in Redis: what one follower meets is not what the others meet."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from tests.bus.support.conversation import heard
from tests.bus.support.stage import Stage
from tests.bus.support.waiting import eventually


async def test_one_damaged_conversation_stopped_the_poll_of_all(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The loop began again and again, and never came to the turn in which it renews."""
    feed = await stage.feed(subscription_ms=1_000)
    await stage.open("damaged", "whole")
    damaged, whole = await stage.listen(feed, "damaged"), await stage.listen(feed, "whole")
    await stage.send("DEL", stage.keys.conv("damaged"))
    await stage.send("RPUSH", stage.keys.conv("damaged"), "by hand")
    await eventually(lambda: damaged.error)
    assert isinstance(damaged.error, ResponseError)
    await stage.send("DEL", stage.keys.subs("whole"))
    await stage.conversations.append(heard("whole", "h1"))
    await whole.until(lambda it: it.events)

    async def renewed() -> bool:
        return bool(await stage.send("ZSCORE", stage.keys.subs("whole"), "g1"))

    await eventually(renewed)
    assert "loop failed" not in caplog.text
    assert feed.healthy
