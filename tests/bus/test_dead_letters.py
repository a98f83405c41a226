"""Operators and dead letters: what is kept, and that a replay makes one turn, whoever asks for it and however often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.bus.bus import Bus
from libs.bus.dead import DeadLetters, EffectsUnknown, Kind, Letter, NoSuchLetter, NotReplayable
from libs.bus.handler import Turn
from libs.bus.settings import BusSettings
from libs.contracts.codec import encode
from libs.contracts.errors import (
    BotelError,
    ConversationBusy,
    Overloaded,
    TurnCancelled,
    UnknownConversation,
)
from libs.contracts.events import MessageReceived, ReplyStatus, ToolCompleted, ToolRequested
from libs.contracts.keys import Keys
from tests.bus.support.conversation import NOW, PROPERTY, message, opened, tool_completed, tool_requested
from tests.bus.support.handlers import Led, echo
from tests.bus.support.stage import PATIENT, Stage, kill
from tests.bus.support.waiting import eventually


async def put(stage: Stage, conversation: str = "c", text: str = "words of the guest", **fields: str) -> Letter:
    """A letter as commit.lua writes it."""
    body = encode(message(conversation, "t1", text)).decode()
    known: dict[str, str] = {
        "k": "turn",
        "c": conversation,
        "p": PROPERTY,
        "m": "t1 2 0 1",
        "e": "5",
        "why": "a test",
        "b": body,
    }
    parts = [part for pair in {**known, **fields}.items() for part in pair]
    entry = await stage.send("XADD", stage.keys.dead, "*", *parts)
    return await DeadLetters(stage.bus).find(f"0:{entry.decode()}")


async def replay(stage: Stage, letter: Letter) -> str:
    """The turn, or the code of the refusal."""
    try:
        return (await DeadLetters(stage.bus).replay(letter.id, NOW, anyway=True)).turn_id
    except BotelError as error:
        return error.code


async def test_a_replayed_message_is_answered_as_a_new_turn(stage: Stage) -> None:
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    letter = await put(stage)
    done = await DeadLetters(stage.bus).replay(letter.id, NOW, anyway=True)
    assert (done.turn_id, done.duplicate) == (letter.replay_turn_id, False)
    await stage.worker("w1", echo, **PATIENT)
    reply = await listener.reply(done.turn_id)
    assert (reply.text, reply.status) == ("words of the guest", ReplyStatus.FINISHED)
    (again,) = (event for event in listener.events if isinstance(event, MessageReceived))
    assert (again.id, again.turn_id, again.time_ms) == (done.turn_id, done.turn_id, NOW)
    assert await stage.dead_letters() == []


async def test_two_operators_at_once_make_one_turn(stage: Stage) -> None:
    await stage.open("c")
    letter = await put(stage)
    other = await stage.new_bus("second")
    both = await asyncio.gather(
        *(DeadLetters(bus).replay(letter.id, NOW, anyway=True) for bus in (stage.bus, other)), return_exceptions=True
    )
    done = [one for one in both if not isinstance(one, BaseException)]
    assert {one.turn_id for one in done} == {letter.replay_turn_id}
    assert sum(not one.duplicate for one in done) == 1
    assert {type(one) for one in both if isinstance(one, BaseException)} <= {NoSuchLetter}
    assert await stage.send("LLEN", stage.keys.mail("c")) == 1


async def test_a_replay_whose_reply_was_lost_makes_one_turn(stage: Stage) -> None:
    """The script is sent again after a broken connection: the letter is gone by then, and that is no error."""
    await stage.open("c")
    letter = await put(stage)
    replies = []
    record = stage.bus.commands.call

    def twice(script: str, keys: object, args: object) -> object:
        if script == "replay":
            replies.append(record(script, keys, args))  # type: ignore[arg-type]
        return record(script, keys, args)  # type: ignore[arg-type]

    stage.bus.commands.call = twice  # type: ignore[method-assign, assignment]
    done = await DeadLetters(stage.bus).replay(letter.id, NOW, anyway=True)
    assert (await replies[0])[0] == b"ok"
    assert done.duplicate
    assert await stage.send("LLEN", stage.keys.mail("c")) == 1


async def test_a_retired_conversation_takes_its_letter_back(stage: Stage) -> None:
    """Its log is gone: the letter bears the message by itself, and numbers go on where they were."""
    await stage.open("c")
    letter = await put(stage)
    keys = stage.keys
    names = [keys.conv("c"), keys.mail("c"), keys.log("c"), keys.draft("c"), keys.subs("c"), keys.heads]
    assert await stage.bus.commands.call("retire", names, ["c", 9]) == b"retired"
    assert (await DeadLetters(stage.bus).story(letter)).state == "retired"
    done = await DeadLetters(stage.bus).replay(letter.id, NOW, anyway=True)
    assert done.number == 2
    assert await stage.field("c", "st") == "ready"


@pytest.mark.parametrize(
    ("why", "error"),
    [
        ("gone", UnknownConversation),
        ("of another property", UnknownConversation),
        ("mailbox full", ConversationBusy),
        ("overloaded", Overloaded),
        ("the replay was cancelled", TurnCancelled),
        ("garbage entry", NotReplayable),
        ("unreadable message", NotReplayable),
        ("no such letter", NoSuchLetter),
    ],
)
async def test_a_refused_replay_leaves_the_letter(redis_url: str, why: str, error: type[BotelError]) -> None:
    async with Stage(redis_url, max_mailbox=1, max_waiting=1) as stage:
        await stage.open("c", "d")
        fields: dict[str, dict[str, str]] = {
            "gone": {"c": "nowhere", "b": encode(message("nowhere", "t1")).decode()},
            "of another property": {"p": "elsewhere"},
            "garbage entry": {"k": "entry", "c": ""},
            "unreadable message": {"b": "\x00 garbage"},
        }
        letter = await put(stage, **fields.get(why, {}))
        if why == "mailbox full":
            await stage.accept("c", "t2")
        elif why == "overloaded":
            await stage.accept("d", "t2")
        elif why == "the replay was cancelled":
            await stage.cancel("c", letter.replay_turn_id)
        before = await stage.dead_letters()
        asked = "0:1-1" if why == "no such letter" else letter.id
        with pytest.raises(error):
            await DeadLetters(stage.bus).replay(asked, NOW, anyway=True)
        assert await stage.dead_letters() == before
        assert await stage.send("EXISTS", stage.keys.seen("c", letter.replay_turn_id)) == (error is TurnCancelled)


async def dead_turn(stage: Stage, *tools: ToolRequested | ToolCompleted) -> Letter:
    """A turn that called these tools, and then nobody could answer."""
    led = Led()
    await stage.open("c")

    async def call(turn: Turn) -> None:
        for tool in tools:
            await turn.journal(tool)

    dying = await stage.worker("w1", led)
    await stage.accept("c", "t1")
    led.do("t1", call)
    led.say("t1", "said")

    async def spoke() -> bool:
        return bool(await stage.send("EXISTS", stage.keys.draft("c")))

    await eventually(spoke)
    await kill(dying)
    await stage.worker("w2", echo, max_attempts=1)
    await eventually(stage.dead_letters)
    return (await DeadLetters(stage.bus).newest(1))[0]


ASKED, TOLD = tool_requested("c", "t1", "book"), tool_completed("c", "t1", "book")


@pytest.mark.parametrize(
    ("tools", "outcome"), [((), "replayed"), ((ASKED, TOLD), "replayed"), ((ASKED,), "effects-unknown")]
)
async def test_a_turn_that_may_have_booked_is_not_replayed_without_a_look(
    stage: Stage, tools: tuple[ToolRequested | ToolCompleted, ...], outcome: str
) -> None:
    """The new turn has idempotency keys of its own: what is not in the log could be done a second time."""
    letter = await dead_turn(stage, *tools)
    letters = DeadLetters(stage.bus)
    if outcome == "replayed":
        assert (await letters.replay(letter.id, NOW)).turn_id == letter.replay_turn_id
        return
    with pytest.raises(EffectsUnknown):
        await letters.replay(letter.id, NOW)
    assert len(await stage.dead_letters()) == 1
    assert not (await letters.replay(letter.id, NOW, anyway=True)).duplicate


async def test_a_letter_whose_log_was_retired_is_not_replayed_without_a_look(stage: Stage) -> None:
    await stage.open("c")
    letter = await put(stage)
    with pytest.raises(EffectsUnknown):
        await DeadLetters(stage.bus).replay(letter.id, NOW)


async def test_a_letter_of_an_older_release_is_replayed_from_the_log(stage: Stage) -> None:
    await stage.open("c")
    accepted = await stage.accept("c", "t0", "from the log")
    old = ("c", "c", "m", f"t0 {accepted.number} 0 1", "e", "5", "why", "every attempt ended without a commit")
    await stage.send("XADD", stage.keys.dead, "*", *old)
    (letter,) = await DeadLetters(stage.bus).newest(5)
    assert (letter.kind, letter.attempts, letter.tried, letter.property_id) == (Kind.TURN, None, (), "")
    assert await replay(stage, letter) == letter.replay_turn_id
    listed = await stage.conversations.read(PROPERTY, "c")
    assert [event.text for event in listed.events if isinstance(event, MessageReceived)] == ["from the log"] * 2


async def test_a_discarded_letter_cannot_be_replayed(stage: Stage) -> None:
    await stage.open("c")
    letter = await put(stage)
    assert (await DeadLetters(stage.bus).discard(letter.id)).reason == "a test"
    assert await replay(stage, letter) == "no-such-letter"
    with pytest.raises(NoSuchLetter):
        await DeadLetters(stage.bus).discard(letter.id)
    assert await stage.send("LLEN", stage.keys.mail("c")) == 0


async def test_a_letter_was_said_to_be_gone_by_the_call_that_discarded_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply was lost with the connection: the command sent again finds nothing left to do."""
    letter = await put(stage)
    send, first = stage.bus.commands.send, []

    def twice(*parts: str | int | bytes) -> asyncio.Future[Any]:
        if parts[0] == "XDEL":
            first.append(send(*parts))
        return send(*parts)

    monkeypatch.setattr(stage.bus.commands, "send", twice)
    assert (await DeadLetters(stage.bus).discard(letter.id)).id == letter.id
    assert [await one for one in first] == [1]
    assert await stage.dead_letters() == []


async def test_old_letters_are_discarded_by_their_age(stage: Stage) -> None:
    await stage.send("XADD", stage.keys.dead, "1000-0", "why", "long ago")
    kept = await put(stage)
    letters = DeadLetters(stage.bus)
    assert await letters.discard_older(60_000) == 1
    assert [one.id for one in await letters.newest(5)] == [kept.id]
    assert await letters.discard_older(10**15) == 0, "before the epoch of time there is nothing"


@pytest.mark.parametrize("name", ["", "x", "1-1-1", "7:1-1", "-1:1-1", "0:1", "0:-1", f"0:{'9' * 60}-0", "0:+-1"])
async def test_an_id_that_is_none_is_no_such_letter(stage: Stage, name: str) -> None:
    with pytest.raises(NoSuchLetter):
        await DeadLetters(stage.bus).find(name)


async def test_letters_of_all_shards_newest_first(redis_url: str) -> None:
    async with Bus(BusSettings(redis_url=redis_url, shards=3)) as bus:
        for time_ms, shard in ((1_000, 2), (3_000, 0), (2_000, 1)):
            await bus.commands.send("XADD", Keys(shard).dead, f"{time_ms}-0", "why", f"of {shard}")
        letters = DeadLetters(bus)
        assert [one.id for one in await letters.newest(2)] == ["0:3000-0", "1:2000-0"]
        assert (await letters.find("2:1000-0")).reason == "of 2"
        with pytest.raises(NoSuchLetter):
            await letters.find("1000-0")


async def test_a_letter_that_somebody_wrote_by_hand_is_shown_all_the_same(stage: Stage) -> None:
    await stage.send("XADD", stage.keys.dead, "*", b"\xff", b"\xfe", "m", b"\xff", "a", "many", "k", "odd")
    (letter,) = await DeadLetters(stage.bus).newest(5)
    assert (letter.kind, letter.number, letter.attempts) == (Kind.TURN, 0, None)
    assert await replay(stage, letter) == "not-replayable"


async def test_the_number_of_letters_is_bounded(stage: Stage) -> None:
    """Ten thousand, as a stream trims: by whole nodes."""
    keys = stage.keys
    await stage.bus.ensure_group(keys.turns, "brain")
    await stage.send("CONFIG", "SET", "stream-node-max-entries", 100)
    for _ in range(10_300):
        stage.bus.commands.send("XADD", keys.dead, "*", "why", "old")
    entry = await stage.send("XADD", keys.turns, "*", "x", "y")
    await stage.send("XREADGROUP", "GROUP", "brain", "w1", "STREAMS", keys.turns, ">")
    await stage.bus.commands.call("reject", [keys.turns, keys.dead], ["brain", entry, "entry", "x y", "why", "w1"])
    assert await stage.send("XLEN", keys.dead) <= 10_100


async def test_opened_by_another_property_the_conversation_keeps_its_letter_out(stage: Stage) -> None:
    await stage.conversations.open(opened("c", property_id="elsewhere"), {})
    letter = await put(stage)
    assert await replay(stage, letter) == "unknown-conversation"
