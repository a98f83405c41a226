"""Spans of model and tool calls, from LangChain's callbacks: real graphs, ours and a user's, and the OpenAI client."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool

from services.brain.agent import ForeignAgent, OwnAgent
from services.brain.answer import Concierge
from services.brain.models import make_model
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal, RehearsedTurn
from services.brain.settings import ModelSettings
from tests.eventually import eventually
from tests.integration.brain.conftest import NOW
from tests.servers.openai import RunningOpenAI
from tests.traced import Traced, error_of, is_child, told

TURN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
QUESTION = "What time is breakfast?"


def rehearsed(concierge: Concierge, text: str = QUESTION) -> RehearsedTurn:
    turn = Rehearsal(concierge.answer, customer_id="guest-204").accept(text)
    turn._message = msgspec.structs.replace(turn.message, trace=TURN)
    return turn


@pytest.mark.parametrize("shown", [False, True])
async def test_a_turn_s_model_and_tool_calls(
    pms: MemoryPms, openai_settings: ModelSettings, http: object, shown: bool
) -> None:
    traced = Traced(show=shown)
    model = make_model(openai_settings, http)  # type: ignore[arg-type]
    concierge = Concierge(OwnAgent(model), pms, clock=lambda: NOW, tracer=traced.tracer)
    turn = rehearsed(concierge)
    await turn.run(concierge.answer)

    assert traced.names() == ["chat gpt-4.1-mini", "execute_tool property_info", "chat gpt-4.1-mini"]
    asks, call, says = traced.spans
    assert all(is_child(span, TURN) for span in traced.spans)
    assert told(asks)["gen_ai.response.finish_reasons"] == ("tool_calls",)
    spoken = told(says)
    assert (spoken["gen_ai.operation.name"], spoken["gen_ai.provider.name"]) == ("chat", "openai")
    assert spoken["gen_ai.response.time_to_first_chunk"]
    assert spoken["gen_ai.usage.input_tokens"]
    assert spoken["gen_ai.usage.output_tokens"]
    assert spoken["botel.turn_id"] == turn.message.turn_id
    done = told(call)
    assert (done["gen_ai.tool.name"], done["botel.tool.ok"]) == ("property_info", True)
    assert ("breakfast" in str(done["gen_ai.tool.call.arguments"])) is shown
    assert ("Lighthouse" in str(done["gen_ai.tool.call.result"])) is shown
    assert turn.journalled[0].trace == TURN


async def test_a_tool_that_finds_nothing_and_a_model_that_fails_say_so(
    pms: MemoryPms, openai_settings: ModelSettings, openai_server: RunningOpenAI, http: object
) -> None:
    traced = Traced()
    offline = Concierge(OwnAgent(OfflineChatModel()), pms, clock=lambda: NOW, tracer=traced.tracer)
    await rehearsed(offline, "my code is HB9999 and my last name is Nobody").run(offline.answer)
    assert told(traced.only("execute_tool find_reservation"))["botel.tool.ok"] is False

    failing = Traced()
    openai_server.server.knobs.fail = 1
    model = make_model(openai_settings, http)  # type: ignore[arg-type]
    concierge = Concierge(OwnAgent(model), pms, clock=lambda: NOW, tracer=failing.tracer)
    await rehearsed(concierge).run(concierge.answer)
    assert error_of(failing.only("chat gpt-4.1-mini")).endswith("Error")


async def test_a_turn_that_is_stopped_leaves_no_span_open(
    pms: MemoryPms, openai_settings: ModelSettings, openai_server: RunningOpenAI, http: object
) -> None:
    traced, server = Traced(), openai_server.server
    server.knobs.first_token_s = 60
    model = make_model(openai_settings, http)  # type: ignore[arg-type]
    concierge = Concierge(OwnAgent(model), pms, clock=lambda: NOW, tracer=traced.tracer)
    running = asyncio.create_task(rehearsed(concierge).run(concierge.answer))

    async def asked() -> int:
        return server.seen.open

    await eventually(asked)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert error_of(traced.only("chat gpt-4.1-mini")) in ("CancelledError", "stopped")


async def test_a_user_s_agent_is_traced_too(pms: MemoryPms) -> None:
    @tool
    async def property_info(topic: str) -> str:
        """Facts."""
        return '{"answer": "At eight."}'

    traced = Traced()
    agent = ForeignAgent(create_agent(OfflineChatModel(), [property_info]))
    concierge = Concierge(agent, pms, clock=lambda: NOW, tracer=traced.tracer)
    await rehearsed(concierge).run(concierge.answer)
    assert "execute_tool property_info" in traced.names()
    assert traced.names().count("chat offline-concierge") == 2


async def test_without_a_collector_nothing_is_told(offline: Concierge) -> None:
    turn = rehearsed(offline)
    await turn.run(offline.answer)
    assert turn.text
    assert turn.journalled[0].trace == TURN
