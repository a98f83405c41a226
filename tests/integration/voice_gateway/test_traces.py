"""Trace context in what a call writes: its own for the call, a turn's for the turn, over the real bus."""

from __future__ import annotations

import msgspec

from libs.contracts.commands import HangUp
from libs.contracts.events import (
    CallEnded,
    CallQuality,
    CallStarted,
    CommandCompleted,
    CommandRequested,
    ConversationOpened,
    HeardTimings,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
)
from services.voice_gateway.ports import EndReason, HeardReport
from tests.integration.voice_gateway.test_bus_commands import request
from tests.integration.voice_gateway.test_bus_link import GUEST, brain, log, staged, turn

CALL = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TURN = CALL.replace("4bf9", "4bfa")


async def test_what_a_call_writes_bears_the_trace_that_it_belongs_to(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."]):
        link = await stage.exchange.connect(msgspec.structs.replace(GUEST, trace=CALL))
        await link.call_started("call-1")
        asked = msgspec.structs.replace(turn(), trace=TURN)
        pieces = [piece async for piece in link.ask(asked, deadline_ms=5_000)]
        assert {piece.trace for piece in pieces} == {TURN}
        await request(stage, link, "cmd-1", HangUp(), trace=TURN)
        async for command in link.commands():
            await link.command_done(command.command_id, ok=True)
            break
        await link.heard(
            HeardReport(turn_id="turn-1", text="", complete=False, heard_ms=0, timings=HeardTimings(), trace=TURN)
        )
        await link.call_ended("call-1", EndReason.GUEST, 9_000, CallQuality())
        events = await log(stage, link)
        await link.close()
    traces = {type(event): event.trace for event in events}  # type: ignore[attr-defined]
    assert {traces[kind] for kind in (ConversationOpened, CallStarted, CallEnded)} == {CALL}
    of_turn = (MessageReceived, ReplyGenerated, ReplyHeard, CommandRequested, CommandCompleted)
    assert {traces[kind] for kind in of_turn} == {TURN}


async def test_whoever_takes_a_call_over_knows_the_trace_of_the_question(redis_url: str) -> None:
    async with staged(redis_url) as stage, brain(stage, ["The pool ", "is open."]):
        first = await stage.exchange.connect(GUEST)
        asked = msgspec.structs.replace(turn(), trace=TURN)
        assert [piece async for piece in first.ask(asked, deadline_ms=5_000)]
        second = await stage.exchange.connect(
            msgspec.structs.replace(GUEST, conversation_id=first.conversation_id, trace="nonsense")
        )
        assert second.trace == ""
        left = await second.unheard(60_000)
        assert left
        assert left.trace == TURN
        await first.close()
        await second.close()
