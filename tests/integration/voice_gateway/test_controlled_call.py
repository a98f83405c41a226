"""A call that is ended, paused and put through by what the guest says: real bus, brain, recogniser and voice."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from libs.contracts.commands import HangUp, Say
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import AnyEvent, Author, Channel, CommandCompleted, CommandRequested, ReplyHeard
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.offline import replies
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.pms.sample import harbour
from services.voice_gateway import events
from services.voice_gateway.bus_exchange import BusExchange
from services.voice_gateway.domain import control as rules
from services.voice_gateway.domain.manners import LOST_THREAD
from services.voice_gateway.ports import CallCommand, CallerIdentity, EndReason, ReplyPiece, SpokenTurn
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import Speech, SpeechFactory
from tests.eventually import eventually
from tests.integration.voice_gateway.callers import ScriptedBrain, TestCall, reply

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
DESKS = {"reception": "tel:+4940123"}
TAXI = "Your taxi is at the door."
LONG_GOODBYE = (
    "Goodbye, and thank you for calling. It was a pleasure to talk to you, and we hope that you enjoy the rest of your "
    "stay with us. Should you need anything else, we are always here for you, at any time of the day or the night."
)
SETTINGS = CallSettings(greeting="", filler_s=30, first_words_s=30, desks=DESKS)


@pytest.fixture
async def speech() -> AsyncIterator[Speech]:
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(SpeechSettings(stt="local", tts="local"), http)
        factory.warm()
        yield factory.speech()
        factory.close()


@dataclass
class Line:
    """A call on the line, and its conversation."""

    call: TestCall
    conversations: Conversations
    conversation_id: str

    async def log(self) -> list[AnyEvent]:
        return list((await self.conversations.read("harbour", self.conversation_id)).events)

    async def answers(self) -> list[tuple[bool, str]]:
        return [(event.ok, event.detail) for event in await self.log() if isinstance(event, CommandCompleted)]

    async def says(self, text: str) -> None:
        """The guest speaks, and hears the answer to its end."""
        before = len(self.call.told)
        self.call.say(text)
        await self.call.until(events.Heard, after=before, timeout_s=60)

    def times_said(self, text: str) -> int:
        """How often the guest has heard it; captions come word by word, without the blanks."""
        captions = "".join(event.text for event in self.call.told if isinstance(event, events.Caption))
        return "".join(captions.split()).count("".join(text.split()))


@contextlib.asynccontextmanager
async def on_the_line(redis_url: str, espeak: Espeak) -> AsyncIterator[Line]:
    settings = BusSettings(redis_url=SecretStr(redis_url), poll_ms=200)
    clock = itertools.count(1_000)
    async with (
        aiohttp.ClientSession() as http,
        Bus(settings) as bus,
        Bus(settings, name="brain") as brains,
        Feed(bus, new_id("voice")) as feed,
    ):
        speech = SpeechFactory(SpeechSettings(stt="local", tts="local"), http)
        speech.warm()
        hotel = MemoryPms(harbour(NOW.date()), lambda: NOW)
        concierge = Concierge(OwnAgent(OfflineChatModel()), hotel, clock=lambda: NOW, desks=tuple(DESKS))
        worker = Worker(brains, new_id("brain"), concierge.answer, slots=4)
        await worker.start()
        exchange = BusExchange(Conversations(bus), feed, now_ms=lambda: next(clock), new_id=new_id)
        link = await exchange.connect(CallerIdentity(property_id="harbour", customer_id="guest-204"))
        async with TestCall(espeak, speech.speech(), link, SETTINGS) as call:
            yield Line(call, Conversations(bus), link.conversation_id)
        await worker.drain(0)
        speech.close()


@pytest.mark.slow
async def test_the_call_ends_when_the_goodbye_has_been_heard(redis_url: str, espeak: Espeak) -> None:
    async with on_the_line(redis_url, espeak) as line:
        await line.says("thank you that is everything goodbye")
        assert await line.call.call.ended is EndReason.CONCIERGE
        await eventually(line.answers)

        log = await line.log()
        [requested] = [event for event in log if isinstance(event, CommandRequested)]
        assert (requested.command, requested.call_id) == (HangUp(), "call-1")
        [heard] = [event for event in log if isinstance(event, ReplyHeard)]
        assert (heard.text, heard.complete) == (replies.GOODBYE, True)
        assert await line.answers() == [(True, "")]


@pytest.mark.long
async def test_a_guest_who_cannot_be_put_through_hears_so_and_the_call_goes_on(redis_url: str, espeak: Espeak) -> None:
    async with on_the_line(redis_url, espeak) as line:
        await line.says("would you connect me with the front desk please")
        assert line.times_said("I'm putting you through to the reception. One moment, please.") == 1

        async def excused() -> int:
            return line.times_said(rules.NOT_PUT_THROUGH)

        await eventually(excused, within_s=60)
        assert await line.answers() == [(False, "this line cannot be transferred")]
        await line.says("what time is breakfast served in the morning")
        assert not line.call.call.ended.done()


@pytest.mark.long
async def test_in_a_pause_the_concierge_listens_and_is_silent_until_called(redis_url: str, espeak: Espeak) -> None:
    async with on_the_line(redis_url, espeak) as line:
        await line.says("hold on please")
        await eventually(line.answers)
        before = len(line.call.told)
        line.call.say("what time is breakfast served on monday")
        await line.call.until(events.Transcript, lambda event: event.final, after=before, timeout_s=60)
        line.call.say("okay concierge i am back")
        await line.call.until(events.Heard, after=before, timeout_s=60)

    asked = [event.text for event in line.call.told[before:] if isinstance(event, events.Asked)]
    assert len(asked) == 1
    assert asked[0].startswith("okay concierge"), "what was said to somebody else is not part of it"


@pytest.mark.slow
async def test_a_command_that_is_delivered_twice_is_done_once(redis_url: str, espeak: Espeak) -> None:
    async with on_the_line(redis_url, espeak) as line:
        await line.call.until(events.Ready)
        said = CommandRequested(
            id="cmd-9.requested",
            time_ms=1,
            property_id="harbour",
            conversation_id=line.conversation_id,
            author=Author.STAFF,
            channel=Channel.VOICE,
            command_id="cmd-9",
            command=Say(text=TAXI),
        )
        await line.conversations.append(said)
        await line.conversations.append(said)
        await line.conversations.append(msgspec.structs.replace(said, id="cmd-9.again"))
        last = msgspec.structs.replace(said, id="cmd-10.requested", command_id="cmd-10", command=HangUp())
        await line.conversations.append(last)
        assert await line.call.call.ended is EndReason.CONCIERGE
        await eventually(line.answers, lambda answers: len(answers) == 2)

        assert line.times_said(TAXI) == 1
        assert await line.answers() == [(True, ""), (True, "")]


@pytest.mark.slow
async def test_a_guest_who_interrupts_the_goodbye_stays_on_the_line(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply(LONG_GOODBYE, every_s=0.0), reply("Breakfast is at eight."))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say("thank you that is everything goodbye")
        asked = await call.until(events.Asked, timeout_s=60)
        brain.wishes.put_nowait(CallCommand(command_id="cmd-1", command=HangUp(), turn_id=asked.turn_id))
        await call.until(events.Playout, lambda event: event.what == "started", timeout_s=60)
        call.say("what time is breakfast served on monday")
        await call.until(events.Heard, lambda event: event.generated.startswith("Breakfast"), timeout_s=60)
        assert brain.answers == [("cmd-1", False, rules.GUEST_WENT_ON)]
        assert not call.call.ended.done()


@pytest.mark.slow
async def test_a_guest_who_was_asked_to_ask_again_was_hung_up_on(espeak: Espeak, speech: Speech) -> None:
    """The brain was gone behind the first words of its goodbye: the excuse after it counted as the goodbye."""

    async def breaks_off(_: SpokenTurn) -> AsyncIterator[ReplyPiece]:
        yield ReplyPiece("Goodbye, ")
        raise BusUnavailable("no brain")

    brain = ScriptedBrain(breaks_off)
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say("thank you that is everything goodbye")
        asked = await call.until(events.Asked, timeout_s=60)
        brain.wishes.put_nowait(CallCommand(command_id="cmd-1", command=HangUp(), turn_id=asked.turn_id))
        heard = await call.until(events.Heard, timeout_s=60)
        assert heard.complete
        assert heard.heard.endswith(LOST_THREAD)

        async def answered() -> list[tuple[str, bool, str]]:
            return brain.answers

        assert await eventually(answered) == [("cmd-1", False, rules.GUEST_WENT_ON)]
        assert not call.call.ended.done()


@pytest.mark.long
async def test_what_the_guest_s_leaving_leaves_undone_is_answered_before_the_end(
    espeak: Espeak, speech: Speech
) -> None:
    brain = ScriptedBrain(reply(LONG_GOODBYE, every_s=0.0))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say("thank you that is everything goodbye")
        asked = await call.until(events.Asked, timeout_s=60)
        brain.wishes.put_nowait(CallCommand(command_id="cmd-1", command=HangUp(), turn_id=asked.turn_id))
        await call.until(events.Playout, lambda event: event.what == "started", timeout_s=60)
    assert brain.answers == [("cmd-1", False, rules.CALL_ENDED)]
    assert brain.journal[-2:] == [("ended", EndReason.GUEST.value), ("closed", "")]
