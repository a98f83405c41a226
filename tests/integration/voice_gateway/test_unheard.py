"""A gateway takes a call over: what the other left unheard is answered from the beginning, and not asked twice."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from libs.bus.feed import Feed
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    HeardTimings,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
)
from services.voice_gateway.bus_exchange import BusExchange
from services.voice_gateway.bus_link import BusLink
from services.voice_gateway.bus_unheard import unheard_in
from services.voice_gateway.ports import CallerIdentity, HeardReport, LeftTurn
from tests.integration.voice_gateway.test_bus_link import GUEST, brain, staged, turn

MINUTE_MS = 60_000
UNKNOWN = "not known to be heard"


def said(turn_id: str, channel: Channel = Channel.VOICE, time_ms: int = 1_000) -> MessageReceived:
    return MessageReceived(
        id=f"{turn_id}.message",
        turn_id=turn_id,
        time_ms=time_ms,
        property_id="harbour",
        conversation_id="c",
        author=Author.GUEST,
        channel=channel,
        text="is the pool open",
    )


def generated(turn_id: str, status: ReplyStatus = ReplyStatus.FINISHED) -> ReplyGenerated:
    return ReplyGenerated(
        id=f"{turn_id}.reply",
        turn_id=turn_id,
        time_ms=1_500,
        property_id="harbour",
        conversation_id="c",
        author=Author.CONCIERGE,
        channel=Channel.VOICE,
        text="It is.",
        status=status,
    )


def heard(turn_id: str) -> ReplyHeard:
    return ReplyHeard(
        id=f"{turn_id}.heard",
        turn_id=turn_id,
        time_ms=2_000,
        property_id="harbour",
        conversation_id="c",
        author=Author.SYSTEM,
        channel=Channel.VOICE,
        text="It is.",
        complete=True,
    )


def into(link: BusLink) -> CallerIdentity:
    return CallerIdentity(property_id="harbour", conversation_id=link.conversation_id)


@pytest.mark.parametrize(
    ("events", "unheard", "why"),
    [
        ([], "", "nothing asked"),
        ([said("t1")], "t1", UNKNOWN),
        ([said("t1"), generated("t1")], "t1", UNKNOWN),
        ([said("t1"), generated("t1"), heard("t1")], "", "heard"),
        ([said("t1"), generated("t1"), msgspec.structs.replace(heard("t1"), complete=False)], "t1", UNKNOWN),
        ([said("t1"), generated("t1", ReplyStatus.CANCELLED)], "", "reply cancelled"),
        ([said("t1"), generated("t1", ReplyStatus.DEAD)], "", "reply dead"),
        ([said("t1"), said("t2", Channel.TEXT)], "", "written"),
        ([said("t1"), generated("t1"), heard("t1"), said("t2")], "t2", UNKNOWN),
        ([said("t1", time_ms=-2 * MINUTE_MS)], "", "too old"),
    ],
)
def test_what_counts_as_unheard(events: list[AnyEvent], unheard: str, why: str) -> None:
    found = unheard_in(events, now_ms=2_000, within_ms=MINUTE_MS)
    assert (found.turn.turn_id if found.turn else "", found.why) == (unheard, why)


async def test_an_answer_still_being_written_is_heard_whole_by_who_takes_over(redis_url: str) -> None:
    gate = asyncio.Event()
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."], gate):
        first = await stage.exchange.connect(GUEST)
        asked = first.ask(turn(), deadline_ms=5_000)
        assert (await anext(asked)).text == "The pool "
        second = await stage.exchange.connect(into(first))
        left = await second.unheard(MINUTE_MS)
        assert left == LeftTurn("turn-1", "is the pool open")
        again = second.ask(turn(left.turn_id, left.text), deadline_ms=5_000)
        words = [(await anext(again)).text]
        gate.set()
        words += [piece.text async for piece in again]
        assert "".join(words) == "The pool is open."
        events = (await stage.conversations.read("harbour", first.conversation_id)).events
        assert len([event for event in events if isinstance(event, MessageReceived)]) == 1, "asked once"
        await second.close()
        await asked.aclose()
        await first.close()


async def test_an_answer_already_written_is_read_and_heard_of_once(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."]):
        first = await stage.exchange.connect(GUEST)
        assert [piece async for piece in first.ask(turn(), deadline_ms=5_000)]
        await first.close()
        second = await stage.exchange.connect(into(first))
        left = await second.unheard(MINUTE_MS)
        assert left
        pieces = [piece async for piece in second.ask(turn(left.turn_id, left.text), deadline_ms=5_000)]
        assert ("".join(piece.text for piece in pieces), pieces[-1].end) == ("The pool is open.", ReplyStatus.FINISHED)
        report = HeardReport(
            turn_id="turn-1", text="The pool is open.", complete=True, heard_ms=900, timings=HeardTimings()
        )
        await second.heard(report)
        await second.close()
        third = await stage.exchange.connect(into(first))
        assert await third.unheard(MINUTE_MS) is None
        await third.close()


async def test_what_every_gateway_tells_of_the_same_answer_is_kept(redis_url: str) -> None:
    """Handed over twice within one answer: the second report of it is not taken for the first come again."""
    report = HeardReport(turn_id="turn-1", text="The", complete=False, heard_ms=200, timings=HeardTimings())
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."]):
        first = await stage.exchange.connect(GUEST)
        assert [piece async for piece in first.ask(turn(), deadline_ms=5_000)]
        await first.heard(report)
        for gateway, text in (("voice-2", "The pool"), ("voice-3", "The pool is open.")):
            async with Feed(stage.bus, gateway) as feed:
                exchange = BusExchange(stage.conversations, feed, now_ms=lambda: 1_000, new_id=lambda kind: kind)
                link = await exchange.connect(into(first))
                assert await link.unheard(MINUTE_MS)
                told = msgspec.structs.replace(report, text=text, complete=text.endswith("."))
                await link.heard(told)
                await link.heard(told)
                await link.close()
        events = (await stage.conversations.read("harbour", first.conversation_id)).events
        assert [event.text for event in events if isinstance(event, ReplyHeard)] == [
            "The",
            "The pool",
            "The pool is open.",
        ]
        assert await first.unheard(MINUTE_MS) is None
        await first.close()
