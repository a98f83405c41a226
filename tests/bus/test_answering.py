"""Turns from accept to the last word: streamed, in order, once, and refused when there is a reason."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus.handler import Done
from libs.contracts.errors import (
    ConversationBusy,
    InvalidRequest,
    Overloaded,
    TooLarge,
    TurnCancelled,
    UnknownConversation,
)
from libs.contracts.events import MessageReceived, ReplyStatus
from tests.bus.support.conversation import PROPERTY, heard, message, opened
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


async def test_one_turn_is_streamed(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1", "a question", gateway_id="g1")
    led.say("t1", "Good ")
    await listener.said("t1", "Good ")
    led.end("t1", "morning")
    reply = await listener.reply("t1")
    assert (reply.text, reply.status, reply.model) == ("Good morning", ReplyStatus.FINISHED, "led")
    assert reply.timings is not None
    assert 0 < reply.timings.context_ms < reply.timings.first_words_ms
    assert [type(event).__name__ for event in listener.events] == ["MessageReceived", "ReplyGenerated"]
    assert led.turns[0].message.text == "a question"
    assert led.turns[0].context == {"property_id": PROPERTY}
    assert [event.number for event in led.turns[0].events] == [1, 2]
    await stage.at_rest("c")


async def test_two_turns_are_answered_in_order_and_not_at_once(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    await stage.worker("w2", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await stage.accept("c", "t2")
    await eventually(lambda: led.began("t1"))
    led.end("t2", "second")
    assert not led.began("t2")
    led.end("t1", "first")
    assert (await listener.reply("t2")).text == "second"
    assert list(listener.replies) == ["t1", "t2"]
    second = led.turns[1]
    assert [event.id for event in second.events if event.number > 1] == ["t1", "t2", "t1.reply"]
    assert second.message.turn_id == "t2"


async def test_conversations_are_answered_side_by_side(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, slots=3, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("a", "b", "c")
    listeners = {name: await stage.listen(feed, name) for name in "abc"}
    for name in "abc":
        await stage.accept(name, f"{name}1")
    await eventually(lambda: all(led.began(f"{name}1") for name in "abc"))
    for name in "cab":
        led.end(f"{name}1", f"for {name}")
        assert (await listeners[name].reply(f"{name}1")).text == f"for {name}"


async def test_a_worker_reads_no_more_than_it_has_slots(stage: Stage) -> None:
    led, other = Led(), Led()
    await stage.worker("w1", led, slots=1, **PATIENT)
    await stage.open("a", "b")
    await stage.accept("a", "a1")
    await eventually(lambda: led.began("a1"))
    await stage.accept("b", "b1")
    await stage.worker("w2", other, **PATIENT)
    await eventually(lambda: other.began("b1"))
    assert not led.began("b1")


async def test_a_turn_sent_twice_is_answered_once(stage: Stage) -> None:
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    first = await stage.accept("c", "t1")
    again = await stage.accept("c", "t1")
    await listener.reply("t1")
    late = await stage.accept("c", "t1")
    assert (first.number, first.duplicate) == (2, False)
    assert (again.number, again.duplicate) == (late.number, late.duplicate) == (2, True)
    await stage.accept("c", "t2")
    await listener.reply("t2")
    assert [event.turn_id for event in listener.events if isinstance(event, MessageReceived)] == ["t1", "t2"]


async def test_an_identity_has_one_conversation(stage: Stage) -> None:
    both = await asyncio.gather(
        stage.conversations.open(opened("c1", customer="anna"), {"customer_id": "anna"}),
        stage.conversations.open(opened("c2", customer="anna"), {}),
    )
    assert {one.conversation_id for one in both} == {"c1"}
    assert [one.created for one in both] == [True, False]
    other = await stage.conversations.open(opened("c3", customer="ben"), {})
    assert (other.conversation_id, other.created) == ("c3", True)


async def test_a_turn_past_its_deadline_is_not_begun(stage: Stage) -> None:
    led = Led()
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "late", deadline_ms=1)
    await stage.accept("c", "t2", deadline_ms=60_000)
    await _redis_clock_passes(stage, 2)
    await stage.worker("w1", led)
    assert (await listener.reply("late")).status is ReplyStatus.EXPIRED
    led.end("t2", "in time")
    assert (await listener.reply("t2")).status is ReplyStatus.FINISHED
    assert not led.began("late")


async def _redis_clock_passes(stage: Stage, ms: int) -> None:
    async def now() -> int:
        seconds, microseconds = await stage.send("TIME")
        return int(seconds) * 1_000_000 + int(microseconds)

    until = await now() + ms * 1_000

    async def passed() -> bool:
        return await now() > until

    await eventually(passed)


async def test_a_full_mailbox_is_busy(redis_url: str) -> None:
    async with Stage(redis_url, max_mailbox=2) as stage:
        await stage.open("c")
        await stage.accept("c", "t1")
        assert (await stage.accept("c", "t2")).depth == 1
        with pytest.raises(ConversationBusy):
            await stage.accept("c", "t3")
        await stage.worker("w1", echo)
        await stage.at_rest("c")
        assert not (await stage.accept("c", "t3")).duplicate


async def test_too_many_waiting_conversations_are_an_overload(redis_url: str) -> None:
    async with Stage(redis_url, max_waiting=1) as stage:
        await stage.open("a", "b")
        await stage.accept("a", "a1")
        with pytest.raises(Overloaded):
            await stage.accept("b", "b1")
        await stage.worker("w1", echo)
        await stage.at_rest("a")
        await stage.accept("b", "b1")


async def test_what_may_not_be_accepted(stage: Stage) -> None:
    await stage.open("c")
    with pytest.raises(TooLarge):
        await stage.accept("c", "t1", "x" * 200_000)
    with pytest.raises(UnknownConversation):
        await stage.accept("nowhere", "t1")
    with pytest.raises(UnknownConversation):
        await stage.conversations.accept(message("c", "t1", property_id="elsewhere"))
    with pytest.raises(InvalidRequest):
        await stage.accept("c", "two words")
    with pytest.raises(UnknownConversation):
        await stage.conversations.cancel("elsewhere", "c", "t1")
    with pytest.raises(UnknownConversation):
        await stage.conversations.read("elsewhere", "c")
    assert [event.number for event in (await stage.conversations.read(PROPERTY, "c")).events] == [1]


async def test_an_early_cancel_refuses_the_turn(stage: Stage) -> None:
    await stage.open("c")
    assert await stage.cancel("c", "t1") == "early"
    with pytest.raises(TurnCancelled):
        await stage.accept("c", "t1")


async def test_long_conversations_hand_over_so_that_others_get_their_turn(redis_url: str) -> None:
    async with Stage(redis_url, fairness=1, **PATIENT) as stage:
        led = Led()
        await stage.open("long", "short")
        for turn in ("l1", "l2", "l3"):
            await stage.accept("long", turn)
        await stage.accept("short", "s1")
        for turn in ("l1", "l2", "l3", "s1"):
            led.end(turn, turn)
        await stage.worker("w1", led, slots=1)
        await stage.at_rest("long", "short")
        assert [turn.grant.item.turn_id for turn in led.turns] == ["l1", "l2", "s1", "l3"]
        assert led.turns[1].grant.epoch > led.turns[0].grant.epoch, "a turn in place has an epoch of its own"


async def test_a_handler_that_fails_ends_its_turn_as_failed(stage: Stage) -> None:
    async def broken(turn: object) -> None:
        raise ValueError("a bug in the handler")

    led = Led()
    await stage.worker("w1", led)
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "Well, ")
    led.do("t1", broken)
    reply = await listener.reply("t1")
    assert (reply.status, reply.text, reply.reason) == (ReplyStatus.FAILED, "Well, ", "ValueError")
    await stage.accept("c", "t2")
    led.end("t2", "again")
    assert (await listener.reply("t2")).status is ReplyStatus.FINISHED


async def test_a_reply_that_says_it_failed_is_recorded_so(stage: Stage) -> None:
    async def sorry(turn: object):  # type: ignore[no-untyped-def]
        yield "I am sorry."
        yield Done(failed=True, reason="model-unavailable")

    await stage.worker("w1", sorry)
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    reply = await listener.reply("t1")
    assert (reply.status, reply.reason, reply.text) == (ReplyStatus.FAILED, "model-unavailable", "I am sorry.")


async def test_what_is_appended_is_recorded_once_and_sets_context(stage: Stage) -> None:
    await stage.open("c")
    number = await stage.conversations.append(heard("c", "h1"), {"guest": "Anna", "room": "12"})
    assert await stage.conversations.append(heard("c", "h1"), {"guest": "Ben"}) == number
    await stage.conversations.append(heard("c", "h2"), {"room": ""})
    snapshot = await stage.conversations.read(PROPERTY, "c", after=1)
    assert [event.id for event in snapshot.events] == ["h1", "h2"]
    assert snapshot.context == {"property_id": PROPERTY, "guest": "Anna"}
    with pytest.raises(UnknownConversation):
        await soon(stage.conversations.append(heard("nowhere", "h3")))
