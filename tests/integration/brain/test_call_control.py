"""The brain asks for what is done with the call: once, in a call only, and knows later what could not be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk

from libs.bus.handler import TurnStopped
from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Transfer
from libs.contracts.events import Author, Channel, CommandCompleted, CommandRequested, ToolCompleted
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.call_tools import CALL_TOOLS
from services.brain.models import make_model
from services.brain.offline import replies
from services.brain.offline.transcript import Say, Use
from services.brain.offline_model import OfflineChatModel, _pieces
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal
from services.brain.settings import ModelSettings
from tests.integration.brain.conftest import NOW
from tests.servers.openai import RunningOpenAI

CALL_TOOL_NAMES = {tool.name for tool in CALL_TOOLS}
DESKS = ("reception", "restaurant")


@pytest.fixture
def in_call(pms: MemoryPms) -> Rehearsal:
    concierge = Concierge(OwnAgent(OfflineChatModel()), pms, clock=lambda: NOW, desks=DESKS)
    return Rehearsal(concierge.answer, customer_id="guest-204", call_id="call-1")


def commands(talk: Rehearsal) -> list[CommandRequested]:
    return [event for event in talk.log if isinstance(event, CommandRequested)]


@pytest.mark.parametrize(
    ("line", "command", "reply"),
    [
        ("thank you that is everything goodbye", HangUp(), replies.GOODBYE),
        ("put me through to the restaurant", Transfer(to="restaurant"), "putting you through to the restaurant"),
        ("hold on please", Pause(), replies.QUIET),
        ("i am back", Resume(), replies.WELCOME_BACK),
    ],
)
async def test_a_wish_becomes_a_command(in_call: Rehearsal, line: str, command: AnyCommand, reply: str) -> None:
    assert reply in await in_call.say(line)

    [requested] = commands(in_call)
    assert (requested.command, requested.call_id, requested.turn_id) == (command, "call-1", "turn-1")
    assert (requested.author, requested.channel) == (Author.CONCIERGE, Channel.VOICE)
    assert requested.id == f"{requested.command_id}.requested"
    [told] = [event for event in in_call.log if isinstance(event, ToolCompleted)]
    assert told.ok
    assert in_call.log.index(requested) < in_call.log.index(told)


async def test_a_turn_that_is_run_again_requests_once(in_call: Rehearsal) -> None:
    turn = in_call.accept("goodbye")
    await turn.run(in_call.handler)
    in_call.log[:] = [event for event in in_call.log if not isinstance(event, ToolCompleted)]

    await in_call.again(turn.message, attempt=2).run(in_call.handler)

    assert len(commands(in_call)) == 1
    assert len([event for event in in_call.log if isinstance(event, ToolCompleted)]) == 1


async def test_two_turns_request_twice(in_call: Rehearsal) -> None:
    await in_call.say("hold on")
    await in_call.say("one moment please")

    first, second = commands(in_call)
    assert first.command_id != second.command_id


async def test_a_cancelled_turn_requests_nothing(in_call: Rehearsal) -> None:
    turn = in_call.accept("goodbye")
    turn.cancelled = True

    with pytest.raises(TurnStopped):
        await turn.run(in_call.handler)

    assert commands(in_call) == []


@pytest.mark.parametrize(
    ("call_id", "channel", "line", "reply"),
    [
        ("", Channel.VOICE, "goodbye", replies.GOODBYE),
        ("", Channel.VOICE, "put me through to reception", "front desk"),
        ("call-1", Channel.TEXT, "goodbye", replies.GOODBYE),
        ("call-1", Channel.TEXT, "hold on", replies.TAKE_YOUR_TIME),
    ],
)
async def test_without_a_call_or_in_writing_nothing_is_requested(
    in_call: Rehearsal, call_id: str, channel: Channel, line: str, reply: str
) -> None:
    in_call.context["call"] = call_id

    assert reply in await in_call.say(line, channel)
    assert commands(in_call) == []


async def test_a_paused_call_is_resumed_from_a_text_message(in_call: Rehearsal) -> None:
    await in_call.text("Please resume the call.")

    assert [event.command for event in commands(in_call)] == [Resume()]


def over_http_in_call(
    model: ModelSettings, http: httpx2.AsyncClient, pms: MemoryPms, desks: tuple[str, ...]
) -> Concierge:
    """The real OpenAI client, so that the server sees what a model is shown."""
    return Concierge(OwnAgent(make_model(model, http)), pms, clock=lambda: NOW, desks=desks)


@pytest.mark.parametrize(
    ("call_id", "channel", "desks", "shown"),
    [
        ("", Channel.VOICE, DESKS, set()),
        ("call-1", Channel.TEXT, DESKS, {"resume_call"}),
        ("call-1", Channel.VOICE, DESKS, {"hang_up", "transfer_call", "pause_call", "resume_call"}),
        ("call-1", Channel.VOICE, (), {"hang_up", "pause_call", "resume_call"}),
    ],
)
async def test_a_model_is_shown_what_can_be_done(
    pms: MemoryPms,
    openai_server: RunningOpenAI,
    openai_settings: ModelSettings,
    http: httpx2.AsyncClient,
    call_id: str,
    channel: Channel,
    desks: tuple[str, ...],
    shown: set[str],
) -> None:
    talk = Rehearsal(over_http_in_call(openai_settings, http, pms, desks).answer, call_id=call_id)

    await talk.say("hello", channel)

    tools = {tool["function"]["name"] for tool in openai_server.server.seen.bodies[-1]["tools"]}
    assert tools & CALL_TOOL_NAMES == shown
    assert "property_info" in tools


async def test_what_failed_is_told_at_the_next_turn(
    pms: MemoryPms, openai_server: RunningOpenAI, openai_settings: ModelSettings, http: httpx2.AsyncClient
) -> None:
    talk = Rehearsal(over_http_in_call(openai_settings, http, pms, DESKS).answer, call_id="call-1")
    await talk.say("put me through to reception")
    [requested] = commands(talk)
    talk.log.append(
        CommandCompleted(
            id=f"{requested.command_id}.completed",
            time_ms=1,
            property_id="harbour",
            conversation_id=requested.conversation_id,
            author=Author.SYSTEM,
            channel=Channel.VOICE,
            command_id=requested.command_id,
            ok=False,
            detail="nobody answered",
            number=len(talk.log) + 1,
        )
    )

    await talk.say("is there a pool")

    last = openai_server.server.seen.bodies[-1]["messages"]
    lines = [message["content"] for message in last if message["role"] == "user"]
    note = "putting the guest through to reception was not possible (nobody answered)"
    assert lines == ["[spoken] put me through to reception", f"[spoken; {note}] is there a pool"]


class Insistent(OfflineChatModel):
    """Calls `wish`, whatever it is shown."""

    wish: Use

    def _chunks(self, messages: list[BaseMessage], tools: list[dict[str, Any]] | None) -> Iterator[ChatGenerationChunk]:
        plan = Say("So be it.") if isinstance(messages[-1], ToolMessage) else self.wish
        yield from (ChatGenerationChunk(message=piece) for piece in _pieces(plan, 0))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))


@pytest.mark.parametrize(
    ("call_id", "name", "arguments", "code"),
    [
        ("", "hang_up", {}, "not-permitted"),
        ("call-1", "transfer_call", {"to": "tel:+4940123"}, "not-found"),
        ("call-1", "transfer_call", {"to": "x" * 65}, "invalid-arguments"),
        ("call-1", "pause_call", {"seconds": 100_000}, "invalid-arguments"),
        ("call-1", "pause_call", {"seconds": -1}, "invalid-arguments"),
    ],
)
async def test_a_model_that_goes_too_far_requests_nothing(
    pms: MemoryPms, call_id: str, name: str, arguments: dict[str, Any], code: str
) -> None:
    agent = OwnAgent(Insistent(wish=Use(((name, arguments),))))
    talk = Rehearsal(Concierge(agent, pms, clock=lambda: NOW, desks=DESKS).answer, call_id=call_id)

    assert await talk.say("hello") == "So be it."
    assert commands(talk) == []
    assert all(f'"{code}"' in event.result for event in talk.log if isinstance(event, ToolCompleted))


async def test_two_wordings_of_one_wish_are_one_command(pms: MemoryPms) -> None:
    wish = Use((("hang_up", {"reason": "goodbye"}), ("hang_up", {"reason": "the guest has left"})))
    talk = Rehearsal(Concierge(OwnAgent(Insistent(wish=wish)), pms, clock=lambda: NOW).answer, call_id="call-1")

    await talk.say("goodbye")

    assert len(commands(talk)) == 1


async def test_a_guest_s_call_is_no_fact_about_the_guest(
    pms: MemoryPms, openai_server: RunningOpenAI, openai_settings: ModelSettings, http: httpx2.AsyncClient
) -> None:
    """Its id stood in the prompt as something known about the guest."""
    talk = Rehearsal(over_http_in_call(openai_settings, http, pms, DESKS).answer, call_id="call-1")

    await talk.say("hello")

    shown = str(openai_server.server.seen.bodies[-1]["messages"])
    assert "call-1" not in shown
    assert "You can put the guest through to: reception, restaurant." in shown
