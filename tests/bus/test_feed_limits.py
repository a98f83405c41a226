"""A feed at its edges: unknown conversations, garbage, gateways that are gone, many at once."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.contracts.errors import UnknownConversation
from libs.contracts.events import MessageReceived, ReplyGenerated, ReplyHeard
from tests.bus.support.conversation import PROPERTY, heard
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


async def test_an_unknown_conversation_cannot_be_followed(stage: Stage) -> None:
    feed = await stage.feed()
    await stage.open("c")
    with pytest.raises(UnknownConversation):
        await feed.follow(PROPERTY, "nowhere")
    with pytest.raises(UnknownConversation):
        await feed.follow("elsewhere", "c")
    assert not feed._followers


async def test_garbage_among_the_chunks_is_left_out(stage: Stage) -> None:
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    stream = stage.keys.chunks("g1")
    for fields in (("x", "y"), ("c", "c", "n", "many"), ("c", "c", "t", "t1", "e", "1", "o", "0", "b", b"\xff")):
        await stage.send("XADD", stream, "*", *fields)
    await stage.accept("c", "t1", "undisturbed")
    assert (await listener.reply("t1")).text == "undisturbed"


async def test_an_event_that_does_not_decode_is_left_out(stage: Stage) -> None:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    subscription = await feed.follow(PROPERTY, "c")
    keys = stage.keys
    await stage.bus.commands.call(
        "append",
        [
            keys.conv("c"),
            keys.log("c"),
            keys.events,
            keys.seen("c", "x"),
            keys.heads,
            keys.subs("c"),
            keys.context("c"),
        ],
        ["c", PROPERTY, b'{"type":"from.the.future","v":9}', 60],
    )
    await stage.conversations.append(heard("c", "h1"))
    item = await soon(anext(subscription))
    assert not isinstance(item, Piece)
    assert (item.id, item.number) == ("h1", 3)
    subscription.close()


async def test_the_stream_of_a_gateway_that_is_gone_stayed_for_ever(stage: Stage) -> None:
    """A brain goes on sending to it until its subscription runs out; the stream must run out too."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    await stage.open("c")
    await stage.accept("c", "t1", gateway_id="crashed")
    led.end("t1", "to nobody")
    await stage.at_rest("c")
    stream = stage.keys.chunks("crashed")
    assert await stage.send("XLEN", stream) > 0
    assert await stage.send("PTTL", stream) > 0
    feed = await stage.feed("g1")
    listener = await stage.listen(feed, "c")
    led.end("t2", "to somebody")
    await stage.accept("c", "t2")
    await listener.reply("t2")
    await stage.send("PEXPIRE", stage.keys.chunks("g1"), 60_000)

    async def renewed() -> bool:
        return int(await stage.send("PTTL", stage.keys.chunks("g1"))) > 60_000

    await eventually(renewed)


async def test_closing_a_feed_ends_its_followers_and_its_stream(stage: Stage) -> None:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1", gateway_id="g1")
    await listener.until(lambda it: it.events)
    await feed.__aexit__(None, None, None)
    await soon(listener._task)
    assert await stage.send("EXISTS", stage.keys.chunks("g1")) == 0


async def test_two_gateways_and_many_conversations_at_once(stage: Stage) -> None:
    for number in (1, 2):
        await stage.worker(f"w{number}", echo, slots=8)
    feeds = [await stage.feed("g1"), await stage.feed("g2")]
    names = [f"c{n}" for n in range(15)]
    await stage.open(*names)
    listeners = [(name, await stage.listen(feed, name)) for name in names for feed in feeds]
    for turn in (1, 2, 3):
        await asyncio.gather(*(stage.accept(name, f"{name}.{turn}", f"é {name} " * 20) for name in names))
    for name, listener in listeners:
        for turn in (1, 2, 3):
            assert (await listener.reply(f"{name}.{turn}")).text == f"é {name} " * 20
        kinds = [type(event) for event in listener.events]
        assert (kinds.count(MessageReceived), kinds.count(ReplyGenerated)) == (3, 3)


async def test_what_a_gateway_writes_itself_needs_no_way_over_redis(stage: Stage) -> None:
    """Its own events come at once; what others write in between is still heard in order."""
    async with Feed(stage.bus, "g1") as feed:
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        elsewhere = Conversations(await stage.new_bus("elsewhere"))
        for number in range(30):
            writer = stage.conversations if number % 3 else elsewhere
            await writer.append(heard("c", f"h{number}"))
        await listener.until(lambda it: len(it.events) == 30)
        assert [event.id for event in listener.events] == [f"h{number}" for number in range(30)]
        assert await stage.send("XLEN", stage.keys.chunks("g1")) == 10


async def test_followers_of_an_emptied_redis_were_left_waiting(stage: Stage) -> None:
    feed = await stage.feed(poll_ms=100)
    await stage.open("c")
    subscription = await feed.follow(PROPERTY, "c")
    await stage.send("FLUSHALL")
    with pytest.raises(UnknownConversation):
        await soon(anext(subscription))
    await stage.open("c")
    again = await feed.follow(PROPERTY, "c")
    await stage.conversations.append(heard("c", "h1"))
    event = await soon(anext(again))
    assert isinstance(event, ReplyHeard)
    assert event.number == 2
