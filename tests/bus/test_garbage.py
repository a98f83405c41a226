"""Garbage on the streams: a dead letter with its reason or an ack, and everybody goes on."""

from __future__ import annotations

import pytest

from libs.bus.worker import Worker
from libs.contracts.events import ReplyStatus
from tests.bus.support.conversation import PROPERTY
from tests.bus.support.handlers import Led, echo
from tests.bus.support.listening import Listener
from tests.bus.support.recording import Recording
from tests.bus.support.stage import PATIENT, Stage, kill
from tests.bus.support.waiting import eventually

GARBAGE: dict[str, tuple[str | bytes, ...]] = {
    "no fields that we know": ("x", "y"),
    "no turn": ("c", "c"),
    "no conversation": ("t", "t1", "b", "{}"),
    "not text": ("c", b"\xff\xfe", "t", "t1"),
}
SUPERSEDED: dict[str, tuple[str | bytes, ...]] = {
    "unknown conversation": ("c", "nowhere", "t", "t1", "b", "{}"),
    "garbage body": ("c", "nowhere", "t", "t1", "b", b"\x00\xff not json"),
    "odd ids": ("c", "a b\n{0}:\\", "t", "%s", "b", ""),
    "a second activation": ("c", "c", "t", "t1", "b", "{}"),
}


async def answered(stage: Stage, listener: Listener, turn: str) -> None:
    await stage.accept("c", turn, "still here")
    assert (await listener.reply(turn)).text == "still here"


async def listening(stage: Stage) -> Listener:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    return await stage.listen(feed, "c")


@pytest.mark.parametrize("what", GARBAGE)
async def test_an_entry_that_names_no_turn_is_a_dead_letter(stage: Stage, what: str) -> None:
    told = Recording()
    worker = await stage.worker("w1", echo, observer=told, **PATIENT)
    listener = await listening(stage)
    await stage.send("XADD", stage.keys.turns, "*", *GARBAGE[what])
    await eventually(stage.dead_letters)
    (letter,) = await stage.dead_letters()
    assert letter["why"].startswith("turns entry without a conversation and turn")
    await answered(stage, listener, "t1")
    await stage.at_rest("c")
    assert worker.healthy
    assert told.counted("dead_letter", "entry") == 1


@pytest.mark.parametrize("what", SUPERSEDED)
async def test_an_entry_that_wakes_nobody_is_acked(stage: Stage, what: str) -> None:
    await stage.worker("w1", echo, **PATIENT)
    listener = await listening(stage)
    await stage.send("XADD", stage.keys.turns, "*", *SUPERSEDED[what])
    await answered(stage, listener, "t2")
    await stage.at_rest("c")
    assert await stage.dead_letters() == []


@pytest.mark.parametrize(
    "body", [b"\xff garbage", b'{"type":"message.received"}', b'{"type":"from.the.future","v":9}', b""]
)
async def test_a_message_that_does_not_decode_ends_as_a_dead_letter(stage: Stage, body: bytes) -> None:
    """Accepted by some other release: the turn is told to have failed, the next one is answered."""
    listener = await listening(stage)
    keys = stage.keys
    accepted = await stage.bus.commands.call(
        "accept",
        [
            keys.seen("c", "t1"),
            keys.conv("c"),
            keys.mail("c"),
            keys.log("c"),
            keys.events,
            keys.turns,
            keys.subs("c"),
            keys.heads,
        ],
        ["c", "t1", PROPERTY, body, 0, 8, 100, 60, "", 60_000, 10_000],
    )
    assert accepted[0] == b"ok"
    told = Recording()
    await stage.worker("w1", echo, observer=told, **PATIENT)
    await eventually(stage.dead_letters)
    (letter,) = await stage.dead_letters()
    assert (letter["c"], letter["m"].split()[0]) == ("c", "t1")
    assert letter["why"] == "the message of the turn is empty or does not decode"
    await listener.until(lambda it: it.ends.get("t1") is ReplyStatus.DEAD)
    await eventually(lambda: told.counted("dead_letter", "unreadable") == 1)


async def test_garbage_whose_reader_died_is_rejected_by_another(stage: Stage) -> None:
    dying = await stage.worker("w1", echo, **PATIENT)
    await kill(dying)
    await stage.send("XADD", stage.keys.turns, "*", "c", b"\xff\xfe")
    assert await stage.send("XREADGROUP", "GROUP", "brain", "w1", "STREAMS", stage.keys.turns, ">")
    await stage.worker("w2", echo)
    await eventually(stage.dead_letters)

    async def acked() -> bool:
        return await stage.pending() == 0

    await eventually(acked)


async def test_an_entry_deleted_by_hand_does_not_stay_pending(stage: Stage) -> None:
    listener = await listening(stage)
    entry = await stage.send("XADD", stage.keys.turns, "*", "c", "c", "t", "t0")
    await stage.bus.ensure_group(stage.keys.turns, "brain")
    await stage.send("XREADGROUP", "GROUP", "brain", "somebody", "STREAMS", stage.keys.turns, ">")
    await stage.send("XDEL", stage.keys.turns, entry)
    await stage.worker("w1", echo)
    await answered(stage, listener, "t1")
    await stage.at_rest("c")


@pytest.mark.parametrize(
    "fields", [("x", "y"), ("c", "c"), ("c", b"\xff", "t", "t1"), ("c", "c", "t", "t1", "w", "w", "e", "x")]
)
async def test_garbage_among_the_cancels_ended_the_fast_path(stage: Stage, fields: tuple[str | bytes, ...]) -> None:
    led = Led()
    await stage.worker("w1", led, **PATIENT)
    listener = await listening(stage)
    await stage.send("XADD", stage.keys.cancels, "*", *fields)
    await stage.accept("c", "t2")
    await eventually(lambda: led.began("t2"))
    await stage.cancel("c", "t2")
    assert (await listener.reply("t2")).status is ReplyStatus.CANCELLED, "no word was said: only the fast path knows"


async def test_one_damaged_conversation_kept_the_reaper_from_all_others(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    led, successor = Led(), Led()
    dying = await stage.worker("w1", led)
    await stage.open("damaged", "c")
    for conversation in ("damaged", "c"):
        await stage.accept(conversation, f"{conversation}1")
        await eventually(lambda it=conversation: led.began(f"{it}1"))  # type: ignore[misc]
    await stage.send("DEL", stage.keys.mail("damaged"))
    await stage.send("RPUSH", stage.keys.mail("damaged"), "garbage")
    await kill(dying)
    worker: Worker = await stage.worker("w2", successor)
    await eventually(lambda: successor.began("c1"))
    successor.end("c1")

    async def idle() -> bool:
        return await stage.field("c", "st") == "idle"

    await eventually(idle)
    await eventually(lambda: worker.healthy)
    (reaper,) = (shard.reaper for shard in worker._shards)
    for _ in range(3):
        await reaper.sweep()
    told = [one for one in caplog.records if one.message == "conversation cannot be mended"]
    assert len(told) <= 1, "it was told in every sweep"


async def test_entries_behind_many_long_turns_were_never_looked_at(stage: Stage) -> None:
    """Forty turns that run long are pending too; what waits behind them must be found all the same."""
    led = Led()
    names = [f"c{n}" for n in range(40)]
    await stage.open(*names, "last")
    await stage.worker("w1", led, slots=40)
    for name in names:
        await stage.accept(name, f"{name}.1")
    await eventually(lambda: len(led.turns) == 40)
    await stage.accept("last", "last.1")
    await stage.send("ZADD", stage.keys.leases, 9_999_999_999_999, "hangs")
    read = await stage.send("XREADGROUP", "GROUP", "brain", "hangs", "STREAMS", stage.keys.turns, ">")
    assert read, "read by a worker that lives and never claims"
    other = Led()
    await stage.worker("w2", other)
    await eventually(lambda: other.began("last.1"))
