"""Following while something is wrong in Redis: what one follower meets is not what the others meet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ResponseError

from libs.bus.feed import Feed
from libs.contracts.codec import encode
from tests.bus.support.conversation import PROPERTY, heard
from tests.bus.support.listening import Listener
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


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


async def test_a_log_that_went_back_while_it_was_read_was_handed_out_with_a_hole(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read after the last event does not fit when that event turns out to be lost."""
    bus, log = await stage.new_bus("gateway", **PATIENT), stage.keys.log("c")
    read, go = asyncio.Event(), asyncio.Event()
    send = bus.commands.send

    async def held(reply: asyncio.Future[Any]) -> Any:
        entries = await reply
        read.set()
        await go.wait()
        return entries

    def slowly(*parts: str | int | bytes) -> asyncio.Future[Any]:
        reply = send(*parts)
        first = parts[0] == "XRANGE" and "COUNT" in parts and not read.is_set()
        return asyncio.ensure_future(held(reply)) if first else reply

    await stage.open("c")
    async with Feed(bus, "g1") as feed:
        followed = await feed.follow(PROPERTY, "c")
        listener = Listener(followed, may_go_back=True)
        await stage.conversations.append(heard("c", "h2"))
        await stage.conversations.append(heard("c", "lost"))
        await listener.until(lambda it: len(it.events) == 2)
        await stage.send("DEL", stage.keys.subs("c"))
        await stage.conversations.append(heard("c", "h4"))
        monkeypatch.setattr(bus.commands, "send", slowly)
        followed.push(4)
        await soon(read.wait())
        entries = await stage.send("XRANGE", log, "-", "+")
        await stage.send("DEL", log)
        for number, (_, (name, body)) in enumerate(entries, start=1):
            await stage.send("XADD", log, f"{number}-0", name, encode(heard("c", "instead")) if number == 3 else body)
        await followed.check(renew=False, verify=True)
        go.set()
        await listener.until(lambda it: it.events[-1].number == 4)
        assert [event.id for event in listener.events] == ["h2", "instead", "h4"]
        await listener.close()
