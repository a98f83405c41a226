"""A trace goes with the turn: into every message that is made of it, through every process that has it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from libs.contracts.errors import UnknownConversation
from libs.contracts.events import MessageReceived
from libs.contracts.trace import parse_traceparent
from tests.bus.support.conversation import message
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import PATIENT, Stage, kill
from tests.bus.support.waiting import eventually
from tests.traced import Traced, context_of, error_of, is_child, told

TURN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def accept(stage: Stage, trace: str, turn: str = "t1", conversation: str = "c") -> None:
    sent = msgspec.structs.replace(message(conversation, turn, "one two"), trace=trace)
    await stage.conversations.accept(sent)


@pytest.fixture
def traced() -> Traced:
    return Traced()


@pytest.fixture
async def stage(redis_url: str, traced: Traced) -> AsyncIterator[Stage]:
    async with Stage(redis_url, traced.tracer) as made:
        yield made


async def test_from_the_message_to_the_reply(stage: Stage, traced: Traced) -> None:
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await accept(stage, TURN, "t1")
    reply = await listener.reply("t1")
    await eventually(lambda: "process turns" in traced.names())

    first = listener.events[0]
    assert isinstance(first, MessageReceived)
    assert first.trace == TURN
    run = traced.only("process turns")
    assert listener.traces["t1"] == {reply.trace}
    assert context_of(run) == parse_traceparent(reply.trace)
    assert all(is_child(traced.only(name), TURN) for name in ("send turns", "wait for a brain", "process turns"))
    assert all(is_child(traced.only(name), reply.trace) for name in ("load context", "send chunks"))
    assert told(run)["botel.reply.status"] == "finished"
    assert told(run)["botel.reply"] == "(masked)"


async def test_a_handler_knows_the_trace_that_its_records_bear(stage: Stage, traced: Traced) -> None:
    led = Led()
    await stage.worker("w1", led)
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await accept(stage, TURN, "t1")
    led.end("t1", "Done.")
    reply = await listener.reply("t1")
    assert [turn.trace for turn in led.turns] == [reply.trace]
    assert reply.trace != TURN


async def test_a_run_after_a_crash_is_another_child_of_the_same_turn(stage: Stage, traced: Traced) -> None:
    first, second = Led(), Led()
    dying = await stage.worker("w1", first)
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await accept(stage, TURN, "t1")
    first.say("t1", "The pool ")
    await listener.said("t1", "The pool ")
    await stage.worker("w2", second)
    await kill(dying)
    second.end("t1", "is open.")
    await listener.reply("t1")
    await eventually(lambda: traced.names().count("process turns") == 2)

    runs = [span for span in traced.spans if span.name == "process turns"]
    assert all(is_child(run, TURN) for run in runs)
    assert [told(run)["botel.attempt"] for run in runs] == [1, 2]
    assert [error_of(run) for run in runs] == ["CancelledError", ""]
    assert told(runs[1])["botel.draft_bytes"] == len("The pool ")


async def test_turns_of_one_conversation_have_traces_of_their_own(stage: Stage, traced: Traced) -> None:
    led = Led()
    await stage.worker("w1", led)
    feed = await stage.feed()
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    other = TURN.replace("4bf9", "4bfa")
    await accept(stage, TURN, "t1")
    await accept(stage, other, "t2")
    led.end("t1", "One.")
    led.end("t2", "Two.")
    first, second = await listener.reply("t1"), await listener.reply("t2")
    assert first.trace.split("-")[1] == TURN.split("-")[1]
    assert second.trace.split("-")[1] == other.split("-")[1]


async def test_a_turn_that_is_refused_says_so(stage: Stage, traced: Traced) -> None:
    with pytest.raises(UnknownConversation):
        await accept(stage, TURN, "t1", conversation="nowhere")
    assert error_of(traced.only("send turns")) == "unknown-conversation"


async def test_without_a_tracer_the_message_s_context_goes_on(redis_url: str) -> None:
    async with Stage(redis_url) as stage:
        await stage.worker("w1", echo)
        feed = await stage.feed()
        await stage.open("c")
        listener = await stage.listen(feed, "c")
        await accept(stage, TURN, "t1")
        assert (await listener.reply("t1")).trace == TURN
        await stage.accept("c", "t2")
        assert (await listener.reply("t2")).trace == ""
        assert (listener.traces["t1"], listener.traces["t2"]) == ({TURN}, {""})
