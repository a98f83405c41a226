"""Redis did it and its answer got lost with the connection: everything is asked again, and takes effect once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from libs.bus.scripts import load_scripts
from libs.contracts.events import MessageReceived, ReplyGenerated, ReplyStatus, ToolCompleted
from tests.bus.support.conversation import heard, tool_completed, tool_requested
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import soon
from tests.servers.proxy import FaultProxy
from tests.servers.redis import RedisServer

LASTING_READS = {**PATIENT, "block_ms": 60_000}
"""A read ends with an entry, not by itself."""


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", redis_server.port) as made:
        yield made


@pytest.fixture
async def stage(proxy: FaultProxy) -> AsyncIterator[Stage]:
    async with Stage(proxy.url) as made:
        yield made


def sha(script: str) -> bytes:
    return load_scripts()[script].sha.encode()


async def test_a_lost_reply_to_accept_makes_no_second_turn(stage: Stage, proxy: FaultProxy) -> None:
    await stage.open("c")
    lost = proxy.lose_next_reply(sha("accept"))
    accepted = await soon(stage.accept("c", "t1"))
    assert lost.is_set()
    assert (accepted.number, accepted.duplicate) == (2, True), "the caller sees success, and where it stands"
    assert [event.id for event in await stage.history("c")] == ["c.opened", "t1"]
    assert await stage.send("LLEN", stage.keys.mail("c")) == 1
    assert await stage.send("XLEN", stage.keys.turns) == 1


async def test_a_lost_reply_to_open_makes_no_second_conversation(stage: Stage, proxy: FaultProxy) -> None:
    lost = proxy.lose_next_reply(sha("open"))
    await soon(stage.open("c"))
    assert lost.is_set()
    assert len(await stage.history("c")) == 1


async def test_a_lost_reply_to_append_keeps_one_event(stage: Stage, proxy: FaultProxy) -> None:
    await stage.open("c")
    lost = proxy.lose_next_reply(sha("append"))
    assert await soon(stage.conversations.append(heard("c", "e1"))) == 2
    assert lost.is_set()
    assert len(await stage.history("c")) == 2


async def test_a_lost_reply_to_cancel_is_one_cancel(stage: Stage, proxy: FaultProxy) -> None:
    led = Led()
    await stage.worker("w1", led)
    await stage.open("c")
    listener = await stage.listen(await stage.feed(), "c")
    await stage.accept("c", "t1")
    led.say("t1", "Some ")
    await listener.said("t1", "Some ")
    lost = proxy.lose_next_reply(sha("cancel"))
    assert await soon(stage.cancel("c", "t1")) in ("running", "done")
    assert lost.is_set()
    assert (await listener.reply("t1")).status is ReplyStatus.CANCELLED


Step = Callable[[Stage, Led], Awaitable[None]]


async def _claim(stage: Stage, led: Led) -> None:
    await stage.accept("c", "t1")
    led.say("t1", "Before ")


async def _emit(stage: Stage, led: Led) -> None:
    led.say("t1", "and ")


async def _journal(stage: Stage, led: Led) -> None:
    async def book(turn: object) -> None:
        await led.turns[-1].journal(tool_requested("c", "t1", "call"))
        await led.turns[-1].journal(tool_completed("c", "t1", "call"))

    led.do("t1", book)


async def _commit(stage: Stage, led: Led) -> None:
    led.end("t1", "after")


@pytest.mark.parametrize("lost_at", ["claim", "emit", "journal", "commit"])
async def test_a_turn_is_whole_whichever_reply_was_lost(stage: Stage, proxy: FaultProxy, lost_at: str) -> None:
    """Through a worker and a feed: one claim, words once, one tool call, one reply."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    listener_feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(listener_feed, "c")
    steps: dict[str, Step] = {"claim": _claim, "emit": _emit, "journal": _journal, "commit": _commit}
    for name, step in steps.items():
        lost = proxy.lose_next_reply(sha(name)) if name == lost_at else None
        await step(stage, led)
        if lost:
            await soon(lost.wait())
        if name in ("claim", "emit"):
            await listener.said("t1", "Before " if name == "claim" else "Before and ")
    reply = await listener.reply("t1")
    assert (reply.text, reply.status) == ("Before and after", ReplyStatus.FINISHED)
    assert len(led.turns) == 1
    history = await stage.history("c")
    for kind in (MessageReceived, ToolCompleted, ReplyGenerated):
        assert sum(isinstance(event, kind) for event in history) == 1
    await stage.at_rest("c")


async def test_an_entry_that_was_read_and_never_came_is_answered(stage: Stage, proxy: FaultProxy) -> None:
    """XREADGROUP handed it to this worker for good; nobody else may have it, and it does not know."""
    await stage.worker("w1", echo, **LASTING_READS)
    feed = await stage.feed(**PATIENT)
    names = list[str]()
    lost = proxy.lose_next_reply(b"XREADGROUP", b">")
    while not lost.is_set():  # the read that is under way may still be answered
        name = f"c{len(names)}"
        names.append(name)
        await stage.open(name)
        listener = await stage.listen(feed, name)
        await stage.accept(name, f"{name}.1", "found")
        assert (await listener.reply(f"{name}.1")).text == "found"
        await stage.at_rest(name)
        assert len(await stage.history(name)) == 3


async def test_chunks_that_were_read_and_never_came_are_heard(stage: Stage, proxy: FaultProxy) -> None:
    led, said = Led(), ""
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed("g1", **LASTING_READS)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    lost = proxy.lose_next_reply(b"XREAD", stage.keys.chunks("g1").encode())
    while not lost.is_set():
        led.say("t1", "word ")
        said += "word "
        await listener.said("t1", said)
    led.end("t1", "end")
    assert (await listener.reply("t1")).text == said + "end"
