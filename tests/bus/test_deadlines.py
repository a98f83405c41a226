"""Deadlines and the run cap as whole workers keep them: what is late is not begun, what has begun is finished."""

from __future__ import annotations

from libs.contracts.events import ReplyStatus
from tests.bus.support.handlers import Led, echo
from tests.bus.support.listening import Listener
from tests.bus.support.stage import FAST, PATIENT, Stage, kill
from tests.bus.support.waiting import eventually

MENDING = {"lease_ms": FAST["lease_ms"], "unclaimed_ms": FAST["unclaimed_ms"]}


async def listening(stage: Stage) -> Listener:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    return await stage.listen(feed, "c")


async def let_deadline_pass(stage: Stage, turn: int = 0) -> None:
    """Of a turn in the mailbox: moved there by hand, so that no slow machine is too late before that."""
    mail = stage.keys.mail("c")
    item = (await stage.send("LINDEX", mail, turn)).split(b" ")
    assert int(item[2]) > 0
    await stage.send("LSET", mail, turn, b" ".join((*item[:2], b"1", item[3])))


async def test_a_turn_that_waited_past_its_deadline_is_not_begun(stage: Stage) -> None:
    """No brain was there; the one that comes tells the guest at once, and goes on with the next turn."""
    listener = await listening(stage)
    await stage.accept("c", "t1", deadline_ms=60_000)
    await stage.accept("c", "t2", "still here")
    await let_deadline_pass(stage)
    await stage.worker("w1", echo, **PATIENT)
    late = await listener.reply("t1")
    assert (late.status, late.text, late.reason) == (ReplyStatus.EXPIRED, "", "not begun before its deadline")
    assert (await listener.reply("t2")).text == "still here"
    assert await stage.dead_letters() == [], "late is not dead: nobody would replay it"
    await stage.at_rest("c")


async def test_a_turn_behind_a_long_one_expires_in_the_mailbox_and_the_one_after_is_answered(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    listener = await listening(stage)
    await stage.accept("c", "t1")
    await eventually(lambda: led.began("t1"))
    await stage.accept("c", "t2", deadline_ms=60_000)
    await stage.accept("c", "t3")
    await let_deadline_pass(stage, 1)
    led.end("t1", "long")
    led.end("t3", "third")
    assert (await listener.reply("t3")).text == "third"
    assert listener.replies["t2"].status is ReplyStatus.EXPIRED
    assert not led.began("t2")
    assert list(listener.replies) == ["t1", "t2", "t3"]


async def test_a_reply_that_has_begun_is_finished_past_its_deadline(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    listener = await listening(stage)
    await stage.accept("c", "t1", deadline_ms=60_000)
    led.say("t1", "It takes ")
    await listener.said("t1", "It takes ")
    await let_deadline_pass(stage)
    led.end("t1", "a while")
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.FINISHED, "It takes a while")


async def test_a_turn_begun_in_time_whose_model_is_slow_is_finished_too(stage: Stage) -> None:
    """Begun means taken by a brain: it is not thrown away for a slow first word."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    listener = await listening(stage)
    await stage.accept("c", "t1", deadline_ms=60_000)
    await eventually(lambda: led.began("t1"))
    await let_deadline_pass(stage)
    led.end("t1", "late but whole")
    assert (await listener.reply("t1")).status is ReplyStatus.FINISHED


async def test_a_successor_past_the_deadline_goes_on_with_a_draft(stage: Stage) -> None:
    first, second = Led(), Led()
    dying = await stage.worker("w1", first, **MENDING)
    listener = await listening(stage)
    await stage.accept("c", "t1", deadline_ms=60_000)
    first.say("t1", "Breakfast is ")
    await listener.said("t1", "Breakfast is ")
    await kill(dying)
    await let_deadline_pass(stage)
    await stage.worker("w2", second, **MENDING)
    second.end("t1", "at seven")
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.FINISHED, "Breakfast is at seven")


async def test_a_successor_past_the_deadline_does_not_begin_without_a_draft(stage: Stage) -> None:
    first, second = Led(), Led()
    dying = await stage.worker("w1", first, **MENDING)
    listener = await listening(stage)
    await stage.accept("c", "t1", deadline_ms=60_000)
    await eventually(lambda: first.began("t1"))
    await kill(dying)
    await let_deadline_pass(stage)
    await stage.worker("w2", second, **MENDING)
    assert (await listener.reply("t1")).status is ReplyStatus.EXPIRED
    assert not second.turns
    assert await stage.field("c", "tr") == ""


async def test_a_run_past_the_cap_in_a_worker_that_beats_and_does_nothing_is_taken_over(redis_url: str) -> None:
    """Its own timer should have ended it; one whose loop lost the turn is mended by the others."""
    async with Stage(redis_url) as stage:
        await stage.bus.ensure_group(stage.keys.turns, "brain")
        listener = await listening(stage)
        await stage.accept("c", "t1", "hello")
        keys, call = stage.keys, stage.bus.commands.call
        await call("beat", [keys.leases, keys.owned("stuck")], ["stuck", 60_000])
        read = await stage.send("XREADGROUP", "GROUP", "brain", "stuck", "STREAMS", keys.turns, ">")
        entry = read[0][1][0][0]
        names = [keys.turns, keys.conv("c"), keys.mail("c"), keys.draft("c"), keys.leases, keys.owned("stuck")]
        assert (await call("claim", [*names, keys.subs("c")], ["stuck", entry, "c", "t", 3]))[0] == b"run"
        await stage.worker("w1", echo, run_cap_ms=1_000)
        assert (await listener.reply("t1")).text == "hello"
