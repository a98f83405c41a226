"""A brain dies at the worst moments; its successor goes on: no word twice, none lost, one booking."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest
from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolMessage

from libs.contracts.events import ReplyStatus, ToolCompleted, ToolRequested
from services.brain.agent import OwnAgent, Said
from services.brain.answer import Concierge
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal
from services.brain.turn_context import TurnContext
from tests.integration.brain.conftest import NOW
from tests.integration.brain.hotels import Killed, LossyPms, dying

BOOKED = "It's booked. You can keep your room until two pm, and thirty-five euros will be added to your bill."


@pytest.mark.parametrize("last", ["requested", "applied", "completed"])
async def test_killed_around_a_booking_it_is_booked_once(concierge: Concierge, pms: MemoryPms, last: str) -> None:
    talk = Rehearsal(concierge.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = dying(talk.accept("yes please"), tool="accept_offer", last=last)
    with pytest.raises(Killed):
        await turn.run(concierge.answer)
    assert len(pms.bookings) == (0 if last == "requested" else 1)

    successor = talk.again(turn.message, draft=turn.text, attempt=2)
    await successor.run(concierge.answer)

    assert successor.text == BOOKED
    assert len(pms.bookings) == 1
    asked = [event for event in talk.log if isinstance(event, ToolRequested) and event.name == "accept_offer"]
    done = [event for event in talk.log if isinstance(event, ToolCompleted) and event.name == "accept_offer"]
    assert len(asked) == 1
    assert [(event.call_id, event.ok) for event in done] == [(asked[0].call_id, True)]


@pytest.mark.parametrize("last", ["requested", "applied", "completed"])
async def test_killed_around_an_offer_one_offer_is_made(offline: Concierge, pms: MemoryPms, last: str) -> None:
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    turn = dying(talk.accept("can i check out at two"), tool="offer_late_checkout", last=last)
    with pytest.raises(Killed):
        await turn.run(offline.answer)

    successor = talk.again(turn.message, attempt=2)
    await successor.run(offline.answer)
    talk.commit(successor, ReplyStatus.FINISHED)
    await talk.say("yes please")

    assert len(pms.bookings) == 1
    made = {event.result for event in talk.log if isinstance(event, ToolCompleted) and "offer_late" in event.name}
    assert len(made) == 1


async def test_killed_after_a_read_it_is_not_read_again(offline: Concierge) -> None:
    talk = Rehearsal(offline.answer)
    turn = dying(talk.accept("when is breakfast"), tool="property_info", last="completed")
    with pytest.raises(Killed):
        await turn.run(offline.answer)

    successor = talk.again(turn.message, attempt=2)
    await successor.run(offline.answer)

    assert successor.text.startswith("Breakfast is served")
    assert successor.journalled == []


async def test_killed_in_the_middle_of_a_sentence_the_rest_follows(concierge: Concierge) -> None:
    whole = await Rehearsal(concierge.answer).say("tell me about the hotel")
    words = whole.split(" ")
    for cut in (1, 2, len(words) // 2, len(words) - 1, len(words)):
        talk = Rehearsal(concierge.answer)
        turn = talk.accept("tell me about the hotel")
        draft = " ".join(words[:cut]) + (" " if cut < len(words) else "")
        await turn.run(concierge.answer)
        successor = talk.again(turn.message, draft=draft, attempt=2)
        await successor.run(concierge.answer)
        assert successor.text == whole, cut


class Repeating:
    """An agent that goes on from a draft as models do: from so many words back."""

    marks_all = True

    def __init__(self, whole: str, back: int) -> None:
        self.whole, self.back = whole, back
        self.shown: list[AnyMessage] = []

    async def say(self, messages: Sequence[AnyMessage], context: TurnContext) -> AsyncGenerator[Said, None]:
        self.shown = list(messages)
        draft = context.turn.grant.draft
        at = max(0, len(draft.split()) - self.back)
        rest = " ".join(self.whole.split()[at:])
        for begin in range(0, len(rest), 3):
            yield Said(rest[begin : begin + 3], "m1")


@pytest.mark.parametrize("back", [0, 1, 3, 99])
@pytest.mark.parametrize("draft", ["The pool is on the roof, on ", "The pool is on the ro"])
async def test_a_model_may_repeat_any_of_it(pms: MemoryPms, back: int, draft: str) -> None:
    whole = "The pool is on the roof, on the sixth floor."
    agent = Repeating(whole, back or (0 if draft.endswith(" ") else 1))
    concierge = Concierge(agent, pms, clock=lambda: NOW)
    talk = Rehearsal(concierge.answer)
    message = talk.accept("where is the pool").message
    successor = talk.again(message, draft=draft, attempt=2)
    pieces: list[str] = []
    await successor.run(concierge.answer, on_text=pieces.append)

    assert successor.text == whole
    assert all(piece[-1].isspace() for piece in pieces[:-1]), "whole words only"
    assert isinstance(agent.shown[-2], AIMessage)
    assert agent.shown[-2].text == draft
    assert isinstance(agent.shown[-1], SystemMessage)


async def test_a_successor_sees_the_journal_of_its_turn(pms: MemoryPms, offline: Concierge) -> None:
    agent = Repeating("It's booked now.", 0)
    concierge = Concierge(agent, pms, clock=lambda: NOW)
    talk = Rehearsal(offline.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    turn = dying(talk.accept("yes please"), tool="accept_offer", last="applied")
    with pytest.raises(Killed):
        await turn.run(offline.answer)

    await talk.again(turn.message, attempt=2).run(concierge.answer)

    call, result = agent.shown[-2:]
    assert isinstance(call, AIMessage)
    assert isinstance(result, ToolMessage)
    assert result.tool_call_id == call.tool_calls[0]["id"]
    assert '"booked":true' in result.text


@pytest.mark.parametrize(("applies", "said", "bookings"), [(True, BOOKED, 1), (False, "front desk will confirm", 0)])
async def test_a_lost_answer_is_settled_by_its_key(pms: MemoryPms, applies: bool, said: str, bookings: int) -> None:
    lossy = LossyPms(pms, applies=applies)
    concierge = Concierge(OwnAgent(OfflineChatModel(), tool_timeout_s=0.05), lossy, clock=lambda: NOW)
    talk = Rehearsal(concierge.answer, customer_id="guest-204")
    await talk.say("can i check out at two")

    assert said in await talk.say("yes please")

    assert len(pms.bookings) == bookings
    done = [event for event in talk.log if isinstance(event, ToolCompleted) and event.name == "accept_offer"]
    assert len(done) == bookings, "an unknown outcome stays open"


async def test_an_open_call_of_an_earlier_turn_is_looked_up_before_the_next(pms: MemoryPms) -> None:
    unreachable = LossyPms(pms, applies=True, settles=False)
    concierge = Concierge(OwnAgent(OfflineChatModel(), tool_timeout_s=0.05), unreachable, clock=lambda: NOW)
    talk = Rehearsal(concierge.answer, customer_id="guest-204")
    await talk.say("can i check out at two")
    assert "front desk will confirm" in await talk.say("yes please")

    agent = Repeating("Let me see.", 0)
    await talk.accept("is it booked").run(Concierge(agent, pms, clock=lambda: NOW).answer)

    results = [message.text for message in agent.shown if isinstance(message, ToolMessage)]
    assert '"booked":true' in results[-1]
