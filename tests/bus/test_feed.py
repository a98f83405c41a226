"""Following a conversation: every event once and in order, every word once, whatever the hints and chunks do."""

from __future__ import annotations

import pytest

from libs.bus import subscription
from libs.bus.pieces import SlowFollower
from libs.bus.run import Run
from tests.bus.support.conversation import PROPERTY, heard
from tests.bus.support.handlers import Led, echo
from tests.bus.support.recording import Recording
from tests.bus.support.stage import PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


async def _chunk(stage: Stage, turn: str, epoch: int | str, offset: int, text: str) -> None:
    """A chunk as no brain would send it."""
    fields = ("c", "c", "t", turn, "e", epoch, "o", offset, "b", text)
    await stage.send("XADD", stage.keys.chunks("g1"), "*", *fields)


async def test_a_hole_between_chunks_is_healed_from_the_draft(stage: Stage) -> None:
    seen, led = Recording(), Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(observer=seen, **PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "One ")
    await listener.said("t1", "One ")
    await stage.send("APPEND", stage.keys.draft("c"), "two ")
    await _chunk(stage, "t1", await stage.field("c", "ep"), 8, "")
    await listener.said("t1", "One two ")
    assert seen.counted("healed", "draft") == 1


async def test_a_chunk_stream_cut_short_is_healed(stage: Stage) -> None:
    """The cap of the stream, or a reader that was away: the first chunks are gone."""
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1", gateway_id="g2")
    other = await stage.feed("g2", **PATIENT)
    behind = await stage.listen(other, "c")
    led.say("t1", "One ")
    await listener.said("t1", "One ")
    await behind.said("t1", "One ")
    await _drop_subscriber(stage, "g2")
    led.say("t1", "two ")
    (run,) = led.turns
    assert isinstance(run, Run)
    await eventually(lambda: run.draft.gateways == ["g1"])
    led.say("t1", "three ")
    await listener.said("t1", "One two three ")
    assert behind.text["t1"] == "One two "
    await stage.accept("c", "t2", gateway_id="g2")
    led.say("t1", "four ", "five ")
    await behind.said("t1", "One two three four five ")
    led.end("t1", "six")
    await behind.reply("t1")


async def _drop_subscriber(stage: Stage, gateway: str) -> None:
    """Unsubscribe a gateway behind its back, and let the running brain know."""
    await stage.send("ZREM", stage.keys.subs("c"), gateway)
    await stage.send("HINCRBY", stage.keys.conv("c"), "sv", 1)


async def test_a_lost_hint_is_healed_by_looking(stage: Stage) -> None:
    seen = Recording()
    feed = await stage.feed(observer=seen)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.send("DEL", stage.keys.subs("c"))
    await stage.conversations.append(heard("c", "h1"))
    await stage.conversations.append(heard("c", "h2"))
    await listener.until(lambda it: len(it.events) == 2)
    assert [event.id for event in listener.events] == ["h1", "h2"]
    assert seen.counted("healed", "log") >= 1


async def test_a_hint_that_comes_too_early_brings_what_is_before_it(stage: Stage) -> None:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.send("DEL", stage.keys.subs("c"))
    await stage.conversations.append(heard("c", "h1"))
    await stage.accept("c", "t1", gateway_id="g1")
    await listener.until(lambda it: len(it.events) == 2)
    assert [event.id for event in listener.events] == ["h1", "t1"]


async def test_a_whole_reply_without_any_chunk_is_heard_from_its_event(stage: Stage) -> None:
    """Everything that the brain sent to this gateway was lost."""
    await stage.open("c")
    feed = await stage.feed()
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1", "nobody told me")
    await stage.send("DEL", stage.keys.subs("c"))
    await stage.worker("w1", echo, **PATIENT)
    assert (await listener.reply("t1")).text == "nobody told me"


async def test_chunks_of_an_earlier_run_are_dropped(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "Right ")
    await listener.said("t1", "Right ")
    await _chunk(stage, "t1", int(await stage.field("c", "ep")) - 1, 6, "WRONG ")
    led.end("t1", "again")
    assert (await listener.reply("t1")).text == "Right again"


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
async def test_resume_by_event_number(stage: Stage, after: int) -> None:
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    for turn in ("t1", "t2"):
        await stage.accept("c", turn, f"say {turn}")
        await stage.at_rest("c")
    listener = await stage.listen(feed, "c", after=after)
    await listener.until(lambda it: len(it.events) == 5 - after)
    assert [event.number for event in listener.events] == list(range(after + 1, 6))
    texts = {turn: listener.text[turn] for turn in listener.replies}
    assert texts == {turn: f"say {turn}" for turn in listener.replies}


async def test_resume_in_the_middle_of_a_reply(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    await stage.accept("c", "t1", gateway_id="g1")
    first = await stage.listen(feed, "c", after=0)
    led.say("t1", "One ")
    await first.said("t1", "One ")
    await first.close()
    led.say("t1", "two ")
    second = await stage.listen(feed, "c", after=2)
    await second.said("t1", "One two ")
    led.end("t1", "three")
    assert (await second.reply("t1")).text == "One two three"
    assert [event.number for event in second.events] == [3]


async def test_a_late_follower_gets_the_running_text_and_what_follows(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    first = await stage.feed(**PATIENT)
    await stage.open("c")
    early = await stage.listen(first, "c")
    await stage.accept("c", "t1")
    led.say("t1", "One ")
    await early.said("t1", "One ")
    late = await stage.listen(await stage.feed("g2", **PATIENT), "c")
    await late.said("t1", "One ")
    led.say("t1", "two ")
    await early.said("t1", "One two ")
    led.say("t1", "three ", "four ")
    await late.said("t1", "One two three four ")
    led.end("t1", "five")
    assert (await late.reply("t1")).text == (await early.reply("t1")).text


async def test_who_followed_after_the_last_word_waited_for_the_end(stage: Stage) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    feed, late_feed = await stage.feed(**PATIENT), await stage.feed("g2", **PATIENT)
    await stage.open("c")
    early = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    led.say("t1", "All that ")
    await early.said("t1", "All that ")
    late = await stage.listen(late_feed, "c")
    led.end("t1")
    assert (await late.reply("t1")).text == "All that "


async def test_a_follower_from_now_on_heard_the_rest_of_an_earlier_reply(stage: Stage) -> None:
    """The gateway's reader is behind: chunks of a reply that ended before the follower came are no news to it."""
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    early = await stage.listen(feed, "c")
    await stage.accept("c", "t1", "long over")
    await early.reply("t1")
    old_epoch = await stage.field("c", "ep")
    late = await stage.listen(feed, "c")
    await _chunk(stage, "t1", old_epoch, 0, "long over")
    await stage.accept("c", "t2", "news")
    assert (await late.reply("t2")).text == "news"
    assert "t1" not in late.text


async def test_several_followers_of_one_gateway_hear_the_same(stage: Stage) -> None:
    await stage.worker("w1", echo, **PATIENT)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listeners = [await stage.listen(feed, "c") for _ in range(3)]
    await stage.accept("c", "t1", "to all of you")
    for listener in listeners:
        assert (await listener.reply("t1")).text == "to all of you"
    await listeners[0].close()
    await stage.accept("c", "t2", "to two of you")
    for listener in listeners[1:]:
        assert (await listener.reply("t2")).text == "to two of you"
    assert "t2" not in listeners[0].replies


async def test_a_slow_follower_is_cut_off_and_resumes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "_MAX_QUEUE", 20)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    slow = await feed.follow(PROPERTY, "c")
    quick = await stage.listen(feed, "c")
    for number in range(60):
        await stage.conversations.append(heard("c", f"h{number}"))
    await quick.until(lambda it: len(it.events) == 60)
    got: list[object] = []

    async def read_on() -> None:
        while True:
            got.append(await anext(slow))

    with pytest.raises(SlowFollower):
        await soon(read_on())
    assert 0 < len(got) <= 20
    resumed = await stage.listen(feed, "c", after=len(got) + 1)
    await resumed.until(lambda it: len(it.events) == 60 - len(got))
