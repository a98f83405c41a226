"""A booking that was made while the guest was interrupting: the next answer begins with it, until it was heard."""

from __future__ import annotations

import asyncio

import pytest

from libs.contracts.events import Channel, ReplyStatus, ToolCompleted
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.domain.marks import UNTOLD
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal, RehearsedTurn
from tests.integration.brain.conftest import NOW
from tests.integration.brain.hotels import Killed, SlowPms, dying
from tests.servers.openai import RunningOpenAI

SPOKEN = "Your late check-out until two pm is booked, and thirty-five euros will be added to your bill."
WRITTEN = "Your late check-out until 2 pm is booked, and €35 will be added to your bill."


async def offered(concierge: Concierge) -> Rehearsal:
    """A guest who has been told of an offer."""
    talk = Rehearsal(concierge.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    return talk


async def interrupted(concierge: Concierge, said: str = "") -> Rehearsal:
    """The guest said yes and interrupted when the booking was done; `said` is what was generated of the answer."""
    talk = await offered(concierge)
    turn = dying(talk.accept("yes please"), tool="accept_offer", last="completed")
    with pytest.raises(Killed):
        await turn.run(concierge.answer)
    turn.text = said
    talk.commit(turn, ReplyStatus.CANCELLED)
    return talk


async def test_it_is_told_once_and_before_the_answer(concierge: Concierge) -> None:
    talk = await interrupted(concierge)

    assert (await talk.say("when is breakfast")).startswith(f"{SPOKEN} Breakfast is served")
    assert (await talk.say("when is breakfast")).startswith("Breakfast is served")


async def test_it_is_told_in_the_words_of_the_channel(offline: Concierge) -> None:
    talk = await interrupted(offline)

    assert (await talk.text("when is breakfast")).startswith(f"{WRITTEN} Breakfast is served")


async def test_it_is_told_to_a_guest_who_says_yes_again(offline: Concierge) -> None:
    talk = await interrupted(offline)

    assert await talk.say("yes please") == f"{SPOKEN} Is there anything else I can do for you?"


async def test_a_cancel_in_the_middle_of_the_booking(pms: MemoryPms) -> None:
    slow = SlowPms(pms)
    concierge = Concierge(OwnAgent(OfflineChatModel()), slow, clock=lambda: NOW)
    talk = await offered(concierge)
    turn = talk.accept("yes please")
    running = asyncio.create_task(turn.run(concierge.answer))
    await asyncio.wait_for(slow.begun.wait(), 5)
    turn.cancelled = True
    running.cancel()
    slow.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    talk.commit(turn, ReplyStatus.CANCELLED)

    assert (await talk.say("hello")).startswith(SPOKEN)
    assert len(slow.bookings) == 1


async def test_an_answer_that_told_it_and_was_cut_off_tells_it_again(offline: Concierge) -> None:
    talk = await interrupted(offline)
    turn = talk.accept("when is breakfast")
    await turn.run(offline.answer)
    talk.commit(turn, ReplyStatus.FINISHED)
    talk.heard(turn, "Your late")

    assert (await talk.say("when is breakfast")).startswith(SPOKEN)


async def test_a_guest_who_heard_that_it_is_booked_is_not_told_again(
    over_http: Concierge, openai_server: RunningOpenAI
) -> None:
    talk = await offered(over_http)
    turn = talk.accept("yes please")
    await turn.run(over_http.answer)
    talk.commit(turn, ReplyStatus.FINISHED)
    talk.heard(turn, "It's booked.")

    assert (await talk.say("when is breakfast")).startswith("Breakfast is served")
    assert UNTOLD in str(openai_server.server.seen.bodies[-1]["messages"]), "a model may judge what was heard"


async def test_a_models_prompt_has_the_call_with_its_result_and_the_wish(
    over_http: Concierge, openai_server: RunningOpenAI
) -> None:
    talk = await interrupted(over_http)
    await talk.say("hello")

    *before, situation, guest = openai_server.server.seen.bodies[-1]["messages"]
    call, result = before[-2:]
    assert call["tool_calls"][0]["function"]["name"] == "accept_offer"
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert '"booked":true' in result["content"]
    [wish] = [line for line in situation["content"].splitlines() if line.startswith(UNTOLD)]
    assert wish.split(": ", 1)[1].startswith('accept_offer {"offer_id":"LC-')
    assert "cut off before the guest heard any of it" in guest["content"]

    await talk.say("thank you")
    assert UNTOLD not in str(openai_server.server.seen.bodies[-1]["messages"])


async def killed_in_the_booking_and_cancelled(concierge: Concierge, last: str) -> Rehearsal:
    """Nobody has recorded what became of the booking: its brain died, and its successor found the turn cancelled."""
    talk = await offered(concierge)
    turn = dying(talk.accept("yes please"), tool="accept_offer", last=last)
    with pytest.raises(Killed):
        await turn.run(concierge.answer)
    talk.commit(turn, ReplyStatus.CANCELLED)
    return talk


def bookings_on_record(talk: Rehearsal) -> int:
    return sum(isinstance(event, ToolCompleted) and event.name == "accept_offer" for event in talk.log)


async def test_one_that_nobody_recorded_is_found_and_recorded_and_told(concierge: Concierge) -> None:
    talk = await killed_in_the_booking_and_cancelled(concierge, "applied")
    assert bookings_on_record(talk) == 0

    assert (await talk.say("when is breakfast")).startswith(SPOKEN)
    assert bookings_on_record(talk) == 1
    assert (await talk.say("when is breakfast")).startswith("Breakfast is served")
    assert bookings_on_record(talk) == 1


async def test_one_that_did_not_happen_stays_open_because_its_brain_may_be_asleep(
    offline: Concierge, pms: MemoryPms
) -> None:
    talk = await killed_in_the_booking_and_cancelled(offline, "requested")
    assert (await talk.say("when is breakfast")).startswith("Breakfast is served")
    assert bookings_on_record(talk) == 0

    [request] = [event for event in talk.log if getattr(event, "name", "") == "accept_offer"]
    offer = next(iter(pms._offers))
    await pms.accept_offer("harbour", offer_id=offer, key=request.idempotency_key)  # type: ignore[union-attr]

    assert (await talk.say("when is breakfast")).startswith(SPOKEN)


async def test_a_successor_goes_on_behind_it(concierge: Concierge) -> None:
    talk = await interrupted(concierge)
    turn = talk.accept("when is breakfast")
    await turn.run(concierge.answer)
    whole = turn.text
    for cut in (3, 12, 20):
        successor: RehearsedTurn = talk.again(turn.message, draft=" ".join(whole.split()[:cut]) + " ", attempt=2)
        await successor.run(concierge.answer)
        assert successor.text == whole


async def test_an_offer_that_was_not_heard_binds_nobody_and_is_not_told(offline: Concierge) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    turn = talk.accept("can i check out at two", Channel.VOICE)
    await turn.run(offline.answer)
    turn.text = ""
    talk.commit(turn, ReplyStatus.CANCELLED)

    assert (await talk.say("when is breakfast")).startswith("Breakfast is served")
    assert "thirty-five euros" in await talk.say("yes please"), "a price that was not heard is told before it is booked"
