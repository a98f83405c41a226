"""A guest who interrupts stops the model at once, and never half a booking."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus.handler import TurnStopped
from libs.contracts.events import ReplyStatus, ToolCompleted, ToolRequested
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal
from tests.integration.brain.conftest import NOW
from tests.integration.brain.hotels import SlowPms
from tests.servers.openai import RunningOpenAI


async def test_a_cancel_closes_the_models_stream(over_http: Concierge, openai_server: RunningOpenAI) -> None:
    openai_server.server.knobs.token_s = 0.2
    talk, begun = Rehearsal(over_http.answer), asyncio.Event()
    turn = talk.accept("tell me about the hotel")
    running = asyncio.create_task(turn.run(over_http.answer, on_text=lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 30)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 30)
    await asyncio.wait_for(openai_server.server.seen.left.wait(), 30)

    assert openai_server.server.seen.open == 0
    assert 0 < len(turn.text.split()) < 60


async def test_a_cancel_before_the_first_word(over_http: Concierge, openai_server: RunningOpenAI) -> None:
    openai_server.server.knobs.first_token_s = 300
    turn = Rehearsal(over_http.answer).accept("tell me about the hotel")
    running = asyncio.create_task(turn.run(over_http.answer))
    await asyncio.wait_for(openai_server.server.seen.begun.wait(), 30)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 30)
    await asyncio.wait_for(openai_server.server.seen.left.wait(), 30)
    assert turn.text == ""


@pytest.fixture
def slow(pms: MemoryPms) -> SlowPms:
    return SlowPms(pms)


@pytest.fixture
def with_slow_hotel(slow: SlowPms) -> Concierge:
    return Concierge(OwnAgent(OfflineChatModel()), slow, clock=lambda: NOW)


async def test_a_cancel_in_the_middle_of_a_booking_lets_it_end(with_slow_hotel: Concierge, slow: SlowPms) -> None:
    talk = Rehearsal(with_slow_hotel.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = talk.accept("yes please")
    running = asyncio.create_task(turn.run(with_slow_hotel.answer))
    await asyncio.wait_for(slow.begun.wait(), 30)

    turn.cancelled = True
    running.cancel()
    slow.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 30)

    assert len(slow.bookings) == 1
    assert [type(event) for event in turn.journalled] == [ToolRequested, ToolCompleted]
    assert turn.text == "", "a cancelled turn says nothing more"
    talk.commit(turn, ReplyStatus.CANCELLED)
    assert "until two pm" in await talk.say("what room am i in")
    assert "booked already" in await talk.say("can i check out at two")


async def test_a_cancelled_turn_begins_no_booking(with_slow_hotel: Concierge, slow: SlowPms) -> None:
    talk = Rehearsal(with_slow_hotel.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = talk.accept("yes please")
    turn.cancelled = True

    with pytest.raises(TurnStopped):
        await turn.run(with_slow_hotel.answer)

    assert not slow.begun.is_set()
    assert turn.journalled == []
    assert turn.text == ""


async def test_after_an_interruption_the_model_is_shown_what_was_heard(
    over_http: Concierge, openai_server: RunningOpenAI
) -> None:
    talk = Rehearsal(over_http.answer)
    turn = talk.accept("tell me about the hotel")
    await turn.run(over_http.answer)
    talk.commit(turn, ReplyStatus.CANCELLED)
    talk.heard(turn, "Let me take you through")

    await talk.say("what time is breakfast")

    shown = [message["content"] for message in openai_server.server.seen.bodies[-1]["messages"]]
    assert "Let me take you through" in shown
    assert any("cut off, the guest heard only what is shown" in (line or "") for line in shown)
    assert not any("sun deck" in (line or "") for line in shown if "answer" not in (line or ""))
