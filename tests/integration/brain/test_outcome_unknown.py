"""Side effects of which nobody can tell whether they happened: not repeated, not claimed, handed to the front desk."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus.handler import TurnStopped
from libs.contracts.events import ReplyStatus, ToolCompleted, ToolRequested
from services.brain import journal
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.journal import Call
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal
from services.brain.turn_context import context_of
from tests.integration.brain.conftest import NOW
from tests.integration.brain.hotels import KeylessPms, Killed, LossyPms, UnansweringPms, dying

CONFIRM = "I'm not certain that this went through. The front desk will confirm it to you."


def over(pms: MemoryPms) -> Concierge:
    return Concierge(OwnAgent(OfflineChatModel(), tool_timeout_s=0.05), pms, clock=lambda: NOW)


async def test_without_keys_a_lost_answer_is_for_the_front_desk(pms: MemoryPms) -> None:
    keyless = KeylessPms(pms, answers=False)
    talk = Rehearsal(over(keyless).answer, customer_id="guest-204")
    await talk.say("can i check out at two")

    assert await talk.say("yes please") == CONFIRM
    assert len(keyless.accepted) == 1
    assert not [e for e in talk.log if isinstance(e, ToolCompleted) and e.name == "accept_offer"], "it stays open"


@pytest.mark.parametrize(("last", "booked"), [("requested", 0), ("applied", 1)])
async def test_without_keys_a_successor_repeats_nothing(pms: MemoryPms, last: str, booked: int) -> None:
    keyless = KeylessPms(pms, answers=True)
    concierge = over(keyless)
    talk = Rehearsal(concierge.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = dying(talk.accept("yes please"), tool="accept_offer", last=last)
    with pytest.raises(Killed):
        await turn.run(concierge.answer)

    successor = talk.again(turn.message, attempt=2)
    await successor.run(concierge.answer)

    assert successor.text == CONFIRM
    assert len(keyless.accepted) == booked


async def test_a_model_that_tries_again_in_the_same_turn_was_let_do_it_twice(pms: MemoryPms) -> None:
    keyless = KeylessPms(pms, answers=False)
    talk = Rehearsal(over(keyless).answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    context = context_of(talk.accept("yes please"), keyless, lambda: NOW, NOW)
    offer = next(iter(pms._offers))

    async def book() -> str:
        return str(await keyless.accept_offer("harbour", offer_id=offer, key="k"))

    outcomes = [
        await journal.effect(context, Call(call, "accept_offer", f'{{"offer_id":"{offer}"}}'), book, 0.05)
        for call in ("call-1", "call-2")
    ]

    assert len(keyless.accepted) == 1
    assert not any(outcome.known or outcome.ok for outcome in outcomes)
    assert "outcome-unknown" in outcomes[1].text


async def test_a_successor_began_an_effect_in_a_turn_that_had_been_cancelled_meanwhile(pms: MemoryPms) -> None:
    """Requested by a brain that died before the hotel had it; the cancel comes when the successor looks it up."""
    concierge = over(pms)
    talk = Rehearsal(concierge.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = dying(talk.accept("yes please"), tool="accept_offer", last="requested")
    with pytest.raises(Killed):
        await turn.run(concierge.answer)

    successor = talk.again(turn.message, attempt=2)
    successor.cancelled = True
    with pytest.raises(TurnStopped):
        await successor.run(concierge.answer)

    assert not pms.bookings
    assert [type(event) for event in talk.log if getattr(event, "name", "") == "accept_offer"] == [ToolRequested]


async def test_a_booking_that_nobody_could_look_up_was_recorded_as_failed(pms: MemoryPms) -> None:
    """Its brain died behind the booking, and the hotel system did not answer when the successor asked for it."""
    unanswering = over(UnansweringPms(pms))
    talk = Rehearsal(unanswering.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = dying(talk.accept("yes please"), tool="accept_offer", last="applied")
    with pytest.raises(Killed):
        await turn.run(unanswering.answer)

    successor = talk.again(turn.message, attempt=2)
    await successor.run(unanswering.answer)
    talk.commit(successor, ReplyStatus.FINISHED)

    assert successor.text == CONFIRM
    assert not completed(talk), "it stays open"

    next_turn = talk.accept("when is breakfast")
    await next_turn.run(over(pms).answer)
    assert next_turn.text.startswith("Your late check-out until two pm is booked")
    assert [event.ok for event in completed(talk)] == [True]
    assert len(pms.bookings) == 1


async def test_an_old_call_that_nobody_can_look_up_held_up_every_turn_as_long_as_a_tool_may_take(
    pms: MemoryPms, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = LossyPms(pms, applies=True, settles=False)
    talk = Rehearsal(over(hanging).answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    assert await talk.say("yes please") == CONFIRM
    monkeypatch.setattr(journal, "OLD_SETTLEMENT_TIMEOUT_S", 0.05)
    patient = Concierge(OwnAgent(OfflineChatModel()), hanging, clock=lambda: NOW, tool_timeout_s=86_400)

    turn = talk.accept("when is breakfast")
    async with asyncio.timeout(30):
        await turn.run(patient.answer)

    assert turn.text.startswith("Breakfast is served")
    assert not completed(talk), "it stays open"


def completed(talk: Rehearsal) -> list[ToolCompleted]:
    return [event for event in talk.log if isinstance(event, ToolCompleted) and event.name == "accept_offer"]
