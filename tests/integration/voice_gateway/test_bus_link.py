"""A call's line over the real bus: a worker answers, the log holds what was said and heard."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.handler import Done, Turn, TurnStopped
from libs.bus.pieces import SlowFollower
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from libs.contracts.errors import BusUnavailable, InvalidRequest, TooLarge, UnknownConversation
from libs.contracts.events import (
    Author,
    CallEnded,
    CallQuality,
    CallStarted,
    Channel,
    HeardTimings,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
    SpeechTimings,
)
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.voice_gateway.bus_exchange import BusExchange
from services.voice_gateway.bus_link import BusLink
from services.voice_gateway.ports import CallerIdentity, EndReason, HeardReport, SpokenTurn

GUEST = CallerIdentity(property_id="harbour", customer_id="guest-1")


@dataclass
class Stage:
    bus: Bus
    conversations: Conversations
    exchange: BusExchange
    feed: Feed


@asynccontextmanager
async def staged(redis_url: str) -> AsyncIterator[Stage]:
    settings = BusSettings(redis_url=SecretStr(redis_url), poll_ms=200, lease_ms=60_000)  # no brain dies here
    numbers = itertools.count(1)
    async with Bus(settings) as bus, Feed(bus, "voice-test") as feed:
        conversations = Conversations(bus)
        exchange = BusExchange(conversations, feed, now_ms=lambda: 1_000, new_id=lambda kind: f"{kind}-{next(numbers)}")
        yield Stage(bus, conversations, exchange, feed)


@asynccontextmanager
async def brain(stage: Stage, words: list[str], gate: asyncio.Event | None = None) -> AsyncIterator[list[str]]:
    """A worker that says `words`, waiting at `gate` after the first; answers the turns that were stopped."""
    stopped: list[str] = []

    async def answer(turn: Turn) -> AsyncGenerator[str | Done, None]:
        try:
            yield words[0]
            if gate:
                await gate.wait()
            for word in words[1:]:
                yield word
            yield Done(model="script")
        except (TurnStopped, GeneratorExit, asyncio.CancelledError):
            stopped.append(turn.grant.item.turn_id)
            raise

    worker = Worker(stage.bus, "brain-test", answer, slots=2)
    await worker.start()
    try:
        yield stopped
    finally:
        await worker.drain(0.1)


def turn(turn_id: str = "turn-1", text: str = "is the pool open") -> SpokenTurn:
    return SpokenTurn(turn_id=turn_id, text=text, confidence=0.8, speech=SpeechTimings(end_of_turn_ms=500.0))


async def log(stage: Stage, link: BusLink) -> list[object]:
    return list((await stage.conversations.read("harbour", link.conversation_id)).events)


async def test_a_spoken_turn_is_answered_and_the_log_holds_the_call(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."]):
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        pieces = [piece async for piece in link.ask(turn(), deadline_ms=5_000)]
        assert "".join(piece.text for piece in pieces) == "The pool is open."
        assert pieces[-1].end is ReplyStatus.FINISHED
        report = HeardReport(
            turn_id="turn-1",
            text="The pool",
            complete=False,
            heard_ms=700,
            timings=HeardTimings(tts_ms=40.0),
            filler=True,
            fallback=True,
        )
        await link.heard(report)
        await link.heard(report)
        await link.call_ended("call-1", EndReason.GUEST, 9_000, CallQuality(interruptions=1))
        events = await log(stage, link)
        await link.close()
    heard = [event for event in events if isinstance(event, ReplyHeard)]
    assert [(one.text, one.complete, one.heard_ms) for one in heard] == [("The pool", False, 700)]
    assert [(one.filler, one.fallback) for one in heard] == [(True, True)]
    message = next(event for event in events if isinstance(event, MessageReceived))
    assert (message.channel, message.confidence, message.speech) == (
        Channel.VOICE,
        0.8,
        SpeechTimings(end_of_turn_ms=500.0),
    )
    assert [type(event) for event in events if isinstance(event, CallStarted | CallEnded)] == [CallStarted, CallEnded]


async def test_the_end_of_one_call_leaves_the_guest_in_the_other(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        first = await stage.exchange.connect(GUEST)
        await first.call_started("call-1")
        second = await stage.exchange.connect(GUEST)
        await second.call_started("call-2")
        await first.call_ended("call-1", EndReason.GUEST, 9_000, CallQuality())
        left = (await stage.conversations.read("harbour", first.conversation_id)).context
        await second.call_ended("call-2", EndReason.GUEST, 9_000, CallQuality())
        kept = await stage.conversations.read("harbour", first.conversation_id)
        await first.close()
        await second.close()
    assert left["call"] == "call-2"
    assert "call" not in kept.context
    assert [event.call_id for event in kept.events if isinstance(event, CallEnded)] == ["call-1", "call-2"]


async def test_a_cancel_stops_the_brain_in_the_middle(redis_url: str) -> None:
    gate = asyncio.Event()
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."], gate) as stopped:
        link = await stage.exchange.connect(GUEST)
        reply = link.ask(turn(), deadline_ms=5_000)
        assert (await anext(reply)).text == "The pool "
        await link.cancel("turn-1")
        rest = [piece async for piece in reply]
        assert [piece.end for piece in rest] == [ReplyStatus.CANCELLED]
        assert stopped == ["turn-1"]
        await link.cancel("turn-1")
        events = await log(stage, link)
        await link.close()
    generated = next(event for event in events if isinstance(event, ReplyGenerated))
    assert (generated.text, generated.status) == ("The pool ", ReplyStatus.CANCELLED)


async def test_the_same_guest_comes_back_to_the_same_conversation(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        first = await stage.exchange.connect(GUEST)
        again = await stage.exchange.connect(GUEST)
        named = await stage.exchange.connect(
            CallerIdentity(property_id="harbour", conversation_id=first.conversation_id)
        )
        other = await stage.exchange.connect(CallerIdentity(property_id="harbour", customer_id="guest-2"))
        assert first.conversation_id == again.conversation_id == named.conversation_id != other.conversation_id
        for link in (first, again, named, other):
            await link.close()


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        (CallerIdentity(property_id="har bour"), InvalidRequest),
        (CallerIdentity(property_id="harbour", conversation_id="no-such"), UnknownConversation),
        (CallerIdentity(property_id="harbour", conversation_id="{0}:turns"), InvalidRequest),
        (CallerIdentity(property_id="harbour", customer_id="x" * 500), InvalidRequest),
    ],
)
async def test_a_caller_who_cannot_be_connected(redis_url: str, caller: CallerIdentity, error: type[Exception]) -> None:
    async with staged(redis_url) as stage:
        with pytest.raises(error):
            await stage.exchange.connect(caller)


async def test_a_refused_turn_leaves_no_trace(redis_url: str) -> None:
    async with staged(redis_url) as stage:
        link = await stage.exchange.connect(GUEST)
        with pytest.raises(TooLarge):
            await anext(link.ask(turn(text="x" * (MAX_MESSAGE_BYTES + 1)), deadline_ms=5_000))
        await link.cancel("turn-1")
        await link.heard(HeardReport(turn_id="turn-1", text="Sorry", complete=True, heard_ms=1, timings=HeardTimings()))
        assert [event for event in await log(stage, link) if isinstance(event, MessageReceived | ReplyHeard)] == []
        await link.close()


async def test_what_others_do_is_told_and_what_this_call_does_is_not(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["Yes."]):
        link = await stage.exchange.connect(GUEST)
        await link.call_started("call-1")
        assert [piece.text async for piece in link.ask(turn(), deadline_ms=5_000)]
        written = MessageReceived(
            id="message-9",
            time_ms=1,
            property_id="harbour",
            conversation_id=link.conversation_id,
            author=Author.GUEST,
            channel=Channel.TEXT,
            turn_id="turn-9",
            text="and parking?",
        )
        await stage.conversations.accept(written)
        async with asyncio.timeout(30):
            event = await anext(aiter(link.elsewhere()))
        assert (event.id, event.channel) == ("message-9", Channel.TEXT)
        await link.close()


async def test_a_broken_subscription_begins_again_and_repeats_no_word(redis_url: str) -> None:
    gate = asyncio.Event()
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."], gate):
        link = await stage.exchange.connect(GUEST)
        reply = link.ask(turn(), deadline_ms=5_000)
        said = [(await anext(reply)).text]
        break_subscription(stage.feed)
        gate.set()
        async with asyncio.timeout(30):
            said += [piece.text async for piece in reply]
        assert "".join(said) == "The pool is open."
        await link.close()


def break_subscription(feed: Feed) -> None:
    """As when its reader fell behind."""
    for group in list(feed._followers.values()):
        for subscription in list(group):
            subscription._fail(SlowFollower())


class Confused(Exception):
    """Nothing that a line expects."""


@pytest.mark.parametrize("how", ["error", "closed"])
async def test_a_broken_line_tells_who_waits_and_who_asks_next(redis_url: str, how: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."], asyncio.Event()):
        link = await stage.exchange.connect(GUEST)
        reply = link.ask(turn(), deadline_ms=5_000)
        assert (await anext(reply)).text == "The pool "
        (subscription,) = (one for group in stage.feed._followers.values() for one in group)
        subscription._fail(Confused("is the pool open")) if how == "error" else subscription.close()
        async with asyncio.timeout(30):
            with pytest.raises(BusUnavailable):
                await anext(reply)
            with pytest.raises(BusUnavailable):
                await anext(link.ask(turn("turn-2"), deadline_ms=5_000))
        await link.heard(HeardReport(turn_id="turn-2", text="", complete=True, heard_ms=0, timings=HeardTimings()))
        asked = [event.turn_id for event in await log(stage, link) if isinstance(event, MessageReceived | ReplyHeard)]
        assert asked == ["turn-1"], "nothing is written of a turn that was not taken"
        await link.close()
