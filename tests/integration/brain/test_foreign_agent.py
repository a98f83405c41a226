"""BRAIN_AGENT: an agent written without us answers the phone."""

from __future__ import annotations

import asyncio
import logging

import pytest
from langchain_core.messages import HumanMessage

from libs.bus.handler import TurnStopped
from libs.contracts.events import Channel, ReplyGenerated, ReplyStatus, ToolCompleted, ToolRequested
from services.brain.agent import AgentNotUsable, load_agent
from services.brain.answer import APOLOGY, Concierge
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal
from tests.integration.brain import foreign_agents
from tests.integration.brain.conftest import NOW

HERE = "tests.integration.brain.foreign_agents"


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    foreign_agents.seen.clear()
    foreign_agents.sold.clear()


def talking_to(name: str, pms: MemoryPms) -> Rehearsal:
    concierge = Concierge(load_agent(f"{HERE}:{name}"), pms, model_name=name, clock=lambda: NOW)
    return Rehearsal(concierge.answer, customer_id="guest-204")


@pytest.mark.parametrize("name", ["florist", "florist_with_memory", "ready_made"])
async def test_an_agent_with_tools_answers_and_its_calls_are_written_down(pms: MemoryPms, name: str) -> None:
    talk = talking_to(name, pms)

    assert await talk.say("what is a rose") == "Let me look. That is four euros a rose. "
    done = [event for event in talk.log if isinstance(event, ToolCompleted)]
    assert [(call.name, call.arguments, call.result, call.ok) for call in done] == [
        ("flower_price", '{"flower":"rose"}', "four euros a rose", True)
    ]
    assert isinstance(talk.log[-1], ReplyGenerated)
    assert talk.log[-1].model == name


async def test_it_is_shown_the_whole_conversation_once(pms: MemoryPms) -> None:
    talk = talking_to("florist_with_memory", pms)
    await talk.say("what is a rose")
    await talk.text("by the way I am Anna")
    reply = await talk.say("hello again")

    assert reply == "You said: hello again. "
    shown = foreign_agents.seen[-1]
    assert [message.type for message in shown] == ["human", "ai", "tool", "ai", "human", "ai", "human"]
    texts = [message.text for message in shown if isinstance(message, HumanMessage)]
    assert texts == ["what is a rose", "[text message] by the way I am Anna", "hello again"]


async def test_its_own_context_schema_is_filled(pms: MemoryPms) -> None:
    talk = talking_to("florist_with_context", pms)

    assert await talk.say("a rose please", Channel.TEXT) == "Let me look. That is four euros for guest-204 by text. "


async def test_a_graph_of_any_shape_answers(pms: MemoryPms) -> None:
    assert await talking_to("own_graph", pms).say("hello") == "Dear guest-204, this graph has 1 messages."


async def test_a_runnable_answers(pms: MemoryPms) -> None:
    assert await talking_to("function", pms).say("hello") == "A plain function answers."


async def test_a_failing_agent_is_an_apology_and_its_words_are_not_logged(
    pms: MemoryPms, caplog: pytest.LogCaptureFixture
) -> None:
    talk = talking_to("failing", pms)

    with caplog.at_level(logging.INFO):
        assert await talk.say("hello") == APOLOGY
    assert isinstance(talk.log[-1], ReplyGenerated)
    assert (talk.log[-1].status, talk.log[-1].reason) == (ReplyStatus.FAILED, "RuntimeError")
    assert "secret" not in caplog.text
    assert "model failed" in caplog.text


async def test_its_tools_do_not_begin_in_a_turn_that_was_cancelled(pms: MemoryPms) -> None:
    talk = talking_to("seller", pms)
    turn = talk.accept("sell me a rose")
    turn.cancelled = True

    with pytest.raises(TurnStopped):
        await turn.run(Concierge(load_agent(f"{HERE}:seller"), pms, clock=lambda: NOW).answer)

    assert foreign_agents.sold == []


async def test_a_call_stands_on_the_record_before_it_is_made(pms: MemoryPms) -> None:
    talk = talking_to("seller", pms)
    await talk.say("sell me a rose")

    steps = [type(event) for event in talk.log if isinstance(event, ToolRequested | ToolCompleted)]
    assert steps == [ToolRequested, ToolCompleted]
    assert foreign_agents.sold == ["rose"]


async def test_a_cancel_stops_it(pms: MemoryPms) -> None:
    talk, begun = talking_to("slow_florist", pms), asyncio.Event()
    concierge = Concierge(load_agent(f"{HERE}:slow_florist"), pms, clock=lambda: NOW)
    turn = talk.accept("tell me a very long story about every flower that you have")
    running = asyncio.create_task(turn.run(concierge.answer, on_text=lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 30)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 30)

    assert foreign_agents.open_streams() == 0


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("", "is not package.module:factory"),
        ("module", "is not package.module:factory"),
        ("no.such.module:factory", "No module named"),
        (f"{HERE}:nothing", "has no attribute"),
        (f"{HERE}:not_an_agent", "str is not a LangChain agent"),
        (f"{HERE}:coroutine", "must not be async"),
        (f"{HERE}:seen", "list is not a LangChain agent"),
    ],
)
def test_what_cannot_be_used_is_said(path: str, part: str) -> None:
    with pytest.raises(AgentNotUsable, match="BRAIN_AGENT") as told:
        load_agent(path)
    assert part in told.value.detail
