"""Turns that break whoever answers them: each ends, with a reason that helps, and the conversation goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack

import pytest

from libs.bus.dead import DeadLetters, Kind, Letter
from libs.bus.handler import Done, Turn
from libs.contracts.events import ReplyStatus
from tests.bus.support.brain_process import brain_process
from tests.bus.support.conversation import PROPERTY
from tests.bus.support.handlers import Led, echo
from tests.bus.support.listening import Listener
from tests.bus.support.stage import FAST, PATIENT, Stage, kill
from tests.bus.support.waiting import eventually

SHORT = {"lease_ms": 2_000, **{name: FAST[name] for name in ("beat_ms", "reap_ms", "unclaimed_ms")}}
"""Processes die here, and their leases lapse by themselves: after longer than a living one may stall."""
PROCESSES_S = 30.0
"""Interpreters start slowly on a loaded machine."""


async def only_letter(stage: Stage) -> Letter:
    await eventually(stage.dead_letters)
    (letter,) = await DeadLetters(stage.bus).newest(10)
    return letter


async def listening(stage: Stage) -> Listener:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    return await stage.listen(feed, "c")


@pytest.mark.parametrize("kind", ["dies", "dies-silently"])
async def test_a_turn_that_kills_every_brain_process_ends_as_a_dead_letter(redis_url: str, kind: str) -> None:
    async with Stage(redis_url, max_attempts=2) as stage:
        listener = await listening(stage)
        await stage.accept("c", "t1", "poison")
        await stage.accept("c", "t2", "still here")
        with ExitStack() as processes:
            for number in (1, 2, 3):
                processes.enter_context(brain_process(redis_url, f"p{number}", kind, max_attempts=2, **SHORT))
            await listener.until(lambda it: "t2" in it.replies, within_s=PROCESSES_S)
        dead, following = listener.replies["t1"], listener.replies["t2"]
        assert dead.status is ReplyStatus.DEAD
        assert dead.text == listener.text["t1"] == ("1 2 " if kind == "dies" else "")
        assert (following.status, following.text) == (ReplyStatus.FINISHED, "still here")
        letter = await only_letter(stage)
        assert (letter.kind, letter.turn_id, letter.property_id) == (Kind.TURN, "t1", PROPERTY)
        assert letter.attempts == 2
        gone = {one.split(" ", 1)[0] for one in letter.tried}
        assert [one.split(" ", 1)[1] for one in letter.tried] == ["lost its lease"] * 2
        assert len(gone) == 2
        assert letter.worker_id in {"p1", "p2", "p3"} - gone


async def test_the_last_error_of_a_run_that_broke_is_told(redis_url: str) -> None:
    async with Stage(redis_url, max_attempts=2, **PATIENT) as stage:
        listener = await listening(stage)
        await stage.accept("c", "t1")
        await stage.send("SET", stage.keys.context("c"), "damaged by hand")
        await stage.worker("w1", Led())
        assert (await listener.reply("t1")).status is ReplyStatus.DEAD
        letter = await only_letter(stage)
        assert letter.tried == ("w1 failed: ResponseError",) * 2
        assert (letter.attempts, letter.worker_id) == (2, "w1")


async def test_attempts_of_one_turn_are_not_told_of_the_next(redis_url: str) -> None:
    async with Stage(redis_url, max_attempts=2) as stage:
        listener = await listening(stage)
        dying = await stage.worker("w1", first := Led())
        await stage.accept("c", "t1")
        await eventually(lambda: first.began("t1"))
        await kill(dying)
        await stage.worker("w2", second := Led())
        await eventually(lambda: second.began("t1"))
        assert await stage.field("c", "tr") == "w1 lost its lease"
        second.end("t1", "done")
        await listener.reply("t1")
        assert await stage.field("c", "tr") == ""


async def test_a_handler_that_raises_ends_its_turn_as_failed_and_tells_its_error(stage: Stage) -> None:
    async def breaks(turn: Turn) -> AsyncGenerator[str | Done, None]:
        yield "One moment. "
        raise LookupError("with words of the guest in it")

    listener = await listening(stage)
    await stage.worker("w1", breaks, **PATIENT)
    await stage.accept("c", "t1")
    reply = await listener.reply("t1")
    assert (reply.status, reply.reason, reply.text) == (ReplyStatus.FAILED, "LookupError", "One moment. ")
    assert await stage.dead_letters() == [], "it was answered, if badly: nothing is lost"


async def test_a_message_that_was_deleted_from_the_log_is_a_dead_letter(stage: Stage) -> None:
    listener = await listening(stage)
    accepted = await stage.accept("c", "t1")
    await stage.send("XDEL", stage.keys.log("c"), f"{accepted.number}-0")
    await stage.worker("w1", echo, **PATIENT)
    await listener.until(lambda it: it.ends.get("t1") is ReplyStatus.DEAD)
    letter = await only_letter(stage)
    assert letter.reason == "the message of the turn is empty or does not decode"
    assert (letter.attempts, letter.tried, letter.body) == (0, (), b"")
    await stage.accept("c", "t2", "and now")
    assert (await listener.reply("t2")).text == "and now"


async def test_garbage_met_by_two_readers_became_two_letters(stage: Stage) -> None:
    """Its reader rejects it while a reaper does the same for one that it takes for dead."""
    keys = stage.keys
    await stage.bus.ensure_group(keys.turns, "brain")
    entry = await stage.send("XADD", keys.turns, "*", "x", "y")
    await stage.send("XREADGROUP", "GROUP", "brain", "w1", "STREAMS", keys.turns, ">")
    for _ in range(2):
        await stage.bus.commands.call("reject", [keys.turns, keys.dead], ["brain", entry, "entry", "x y", "why", "w1"])
    letter = await only_letter(stage)
    assert (letter.kind, letter.entry, letter.body) == (Kind.ENTRY, entry.decode(), b"x y")
    assert await stage.pending() == 0
