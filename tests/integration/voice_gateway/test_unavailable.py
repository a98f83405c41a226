"""No brain, too many guests, no Redis: a call hears so and goes on, a new caller is told so at the door."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.settings import BusSettings
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import AnyEvent, Author, Channel, ConversationOpened, MessageReceived, ReplyGenerated
from services.voice_gateway import events
from services.voice_gateway.bus_exchange import BusExchange
from services.voice_gateway.domain.manners import NO_ANSWER
from services.voice_gateway.ports import BrainLink, CallerIdentity
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import Speech, SpeechFactory
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import Concierge, running_brain
from tests.integration.voice_gateway.callers import TestCall
from tests.servers.redis import RedisServer

QUESTION = "what time is breakfast served on monday"
GUEST = CallerIdentity(property_id="harbour", customer_id="guest-1")
PATIENCE = CallSettings(greeting="", first_words_s=4, filler_s=30)


@pytest.fixture
async def speech() -> AsyncIterator[Speech]:
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(SpeechSettings(stt="local", tts="local"), http)
        factory.warm()
        yield factory.speech()
        factory.close()


@pytest.fixture
async def bus(own_redis: RedisServer, fault: str) -> AsyncIterator[Bus]:
    settings = BusSettings(
        redis_url=SecretStr(own_redis.url),
        command_timeout_ms=500 if fault == "redis away" else 5_000,
        block_ms=50,
        poll_ms=200,
        max_waiting=2,
    )
    async with Bus(settings) as made:
        yield made


@pytest.fixture
async def link(bus: Bus) -> AsyncIterator[BrainLink]:
    async with Feed(bus, new_id("voice")) as feed:
        yield await BusExchange(Conversations(bus), feed, now_ms=lambda: 1_000, new_id=new_id).connect(GUEST)


async def wait_for_a_brain(bus: Bus, guest: str) -> None:
    """Another guest's turn, which nobody answers."""
    conversations, conversation_id = Conversations(bus), f"conv-{guest}"
    about = {"property_id": "harbour", "conversation_id": conversation_id, "channel": Channel.TEXT, "time_ms": 1}
    await conversations.open(ConversationOpened(id=new_id("evt"), author=Author.SYSTEM, **about), {})  # type: ignore[arg-type]
    await conversations.accept(
        MessageReceived(id=new_id("evt"), author=Author.GUEST, turn_id=f"turn-{guest}", text="Hello?", **about)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("no brain", marks=pytest.mark.long),
        pytest.param("overloaded", marks=pytest.mark.long),
        "redis away",
    ],
)
async def test_the_call_hears_that_there_is_no_answer_and_then_has_one(
    espeak: Espeak, speech: Speech, own_redis: RedisServer, bus: Bus, link: BrainLink, fault: str
) -> None:
    answered = Concierge()
    async with TestCall(espeak, speech, link, PATIENCE) as call:
        if fault == "overloaded":
            await wait_for_a_brain(bus, "one")
            await wait_for_a_brain(bus, "two")
        if fault == "redis away":
            own_redis.stop()
        call.say(QUESTION)
        first = await call.until(events.Heard, timeout_s=60)
        assert (first.heard, first.complete) == (NO_ANSWER, True)

        if fault == "redis away":
            own_redis.start()
        async with running_brain(own_redis.url, answered):
            await eventually(lambda: ended(bus, first.turn_id, fault), within_s=30)
            before = len(call.told)
            call.say(QUESTION)
            second = await call.until(events.Heard, after=before, timeout_s=60)
    assert second.heard == f"You said {QUESTION}"
    assert answered.asked.count(QUESTION) == 1, "what was excused is not answered any more"
    replies = [event for event in await log(bus) if isinstance(event, ReplyGenerated)]
    assert [reply.status.value for reply in replies][-1] == "finished"
    assert len({reply.turn_id for reply in replies}) == len(replies)


async def ended(bus: Bus, turn_id: str, fault: str) -> bool:
    """Whether the turn that got no answer is over: it was never taken, or it ended without one."""
    try:
        events_ = await log(bus)
    except BusUnavailable:  # Redis has been started again this moment
        return False
    taken = any(isinstance(event, MessageReceived) and event.turn_id == turn_id for event in events_)
    over = [event for event in events_ if isinstance(event, ReplyGenerated) and event.turn_id == turn_id]
    if fault == "overloaded":
        assert not taken, "nothing was written of it"
    return not taken or [event.status.value for event in over] in (["cancelled"], ["expired"])


async def log(bus: Bus) -> list[AnyEvent]:
    """The guest's conversation, which is opened again to learn its id."""
    conversations = Conversations(bus)
    opened = await conversations.open(
        ConversationOpened(
            id=new_id("evt"),
            time_ms=1,
            property_id="harbour",
            conversation_id=new_id("conv"),
            author=Author.SYSTEM,
            channel=Channel.SYSTEM,
            customer_id=GUEST.customer_id,
        ),
        {},
    )
    return list((await conversations.read("harbour", opened.conversation_id)).events)
