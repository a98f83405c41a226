"""A model on a bad day: the guest hears an apology, the reply is recorded as failed, nothing is tried behind their
back."""

from __future__ import annotations

from libs.contracts.events import ReplyGenerated, ReplyStatus
from services.brain.agent import OwnAgent
from services.brain.answer import APOLOGY, APOLOGY_MIDWAY, Concierge
from services.brain.models import http_client, make_model
from services.brain.pms.memory import MemoryPms
from services.brain.rehearsal import Rehearsal
from services.brain.settings import ModelSettings
from tests.integration.brain.conftest import NOW
from tests.servers.openai import RunningOpenAI


def last_reply(talk: Rehearsal) -> ReplyGenerated:
    reply = talk.log[-1]
    assert isinstance(reply, ReplyGenerated)
    return reply


async def test_a_provider_error_is_an_apology_without_a_retry(
    over_http: Concierge, openai_server: RunningOpenAI
) -> None:
    openai_server.server.knobs.fail = 1
    talk = Rehearsal(over_http.answer)

    assert await talk.say("when is breakfast") == APOLOGY
    assert last_reply(talk).status is ReplyStatus.FAILED
    assert openai_server.server.seen.requests == 1
    assert "Breakfast is served" in await talk.say("when is breakfast")


async def test_a_broken_stream_ends_in_an_apology(over_http: Concierge, openai_server: RunningOpenAI) -> None:
    openai_server.server.knobs.cut_after = 12
    talk = Rehearsal(over_http.answer)

    reply = await talk.say("hello i would like a tour of the house")

    assert reply.startswith("Let me take you through")
    assert reply.endswith(" " + APOLOGY_MIDWAY)
    assert last_reply(talk).status is ReplyStatus.FAILED


async def test_a_stream_that_hangs_ends_in_an_apology(
    pms: MemoryPms, openai_settings: ModelSettings, openai_server: RunningOpenAI
) -> None:
    openai_server.server.knobs.hang_after = 12
    async with http_client(openai_settings) as http:
        model = make_model(openai_settings.model_copy(update={"gap_s": 0.1}), http)
        talk = Rehearsal(Concierge(OwnAgent(model), pms, clock=lambda: NOW).answer)
        reply = await talk.say("give me a tour")

    assert reply.endswith(APOLOGY_MIDWAY)


async def test_a_provider_that_is_not_there(pms: MemoryPms, openai_settings: ModelSettings) -> None:
    nowhere = openai_settings.model_copy(update={"openai_base_url": "http://127.0.0.1:9/v1"})
    async with http_client(nowhere) as http:
        talk = Rehearsal(Concierge(OwnAgent(make_model(nowhere, http)), pms, clock=lambda: NOW).answer)

        assert await talk.say("when is breakfast") == APOLOGY


async def test_one_connection_serves_a_conversation(over_http: Concierge, openai_server: RunningOpenAI) -> None:
    talk = Rehearsal(over_http.answer)
    for line in ("hello", "when is breakfast", "thank you"):
        await talk.say(line)

    assert openai_server.server.seen.requests == 4
    assert len(openai_server.server.seen.clients) == 1


async def test_the_prompt_begins_the_same_for_every_guest_and_turn(
    over_http: Concierge, openai_server: RunningOpenAI
) -> None:
    first = Rehearsal(over_http.answer, customer_id="guest-204", conversation_id="conv-a")
    await first.say("hello")
    await first.say("when is breakfast")
    await Rehearsal(over_http.answer, customer_id="guest-302", conversation_id="conv-b").say("hello")

    bodies = openai_server.server.seen.bodies
    heads = {(str(body["messages"][0]), str(body["tools"])) for body in bodies}
    assert len(heads) == 1
    [(system, _)] = heads
    assert "2026" not in system
    assert "guest-204" not in system
    one, two = bodies[0]["messages"], bodies[1]["messages"]
    assert two[1] == one[2], "history grows where the situation stood"
    assert bodies[0]["stream_options"] == {"include_usage": True}
