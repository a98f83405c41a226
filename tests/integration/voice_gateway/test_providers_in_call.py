"""A provider dies in the middle of a call, and the call goes on: the rig of test_call.py with real plugins."""

from __future__ import annotations

import pytest

from services.voice_gateway import events
from services.voice_gateway.settings import CallSettings
from services.voice_gateway.speech.espeak import Espeak, Voice
from tests.integration.voice_gateway.callers import ScriptedBrain, TestCall, reply
from tests.integration.voice_gateway.provided import factory_for
from tests.integration.voice_gateway.truth import loudness, played_ms, words_in
from tests.servers.speech import ScriptedEars, running_speech

QUESTION = "what time is breakfast served on monday"
FIRST = "Breakfast is served from seven. It is in the garden room."
SECOND = "Parking is free for guests. The garage is behind the hotel."
LONG = (
    "The swimming pool is on the fourth floor of the hotel. It is open from seven in the morning until ten at night. "
    "Towels are by the door, and the water is warm all through the year. Children may swim with their parents. "
    "There is a small bar beside it that serves coffee, juice and sandwiches until six in the evening."
)
SETTINGS = CallSettings(greeting="")


async def test_the_voice_dies_in_mid_answer_and_the_guest_hears_all_of_it_and_of_the_next(espeak: Espeak) -> None:
    brain = ScriptedBrain(reply(FIRST), reply(SECOND))
    ears = ScriptedEars(QUESTION, "where can we park")
    async with (
        running_speech(ears) as server,
        factory_for(server, stt="deepgram", tts="elevenlabs,local") as factory,
        TestCall(espeak, factory.speech(), brain, SETTINGS) as call,
    ):
        server.elevenlabs.speaking.cut_after = 24_000
        call.say(QUESTION)
        first = await call.until(events.Heard, timeout_s=90)
        server.elevenlabs.speaking.status = 503
        call.say("where can we park the car")
        second = await call.until(events.Heard, lambda e: e.turn_id != first.turn_id, timeout_s=90)
    assert (first.heard, first.complete) == (FIRST, True)
    assert (second.heard, second.complete) == (SECOND, True)
    troubles = [event for event in call.told if isinstance(event, events.Trouble)]
    assert [(trouble.part, trouble.fatal) for trouble in troubles] == [("tts", False)]
    assert troubles[0].error.startswith("elevenlabs: ")
    assert "el-key" not in repr(call.told)
    assert loudness(call.concierge) > 10
    assert brain.journal[-2:] == [("ended", "guest-left"), ("closed", "")]


async def test_the_recogniser_dies_in_mid_question_and_this_one_and_the_next_are_understood(espeak: Espeak) -> None:
    brain = ScriptedBrain(reply(FIRST), reply(SECOND))
    async with (
        running_speech(ScriptedEars("never", "heard")) as server,
        factory_for(server, stt="deepgram,local", tts="local") as factory,
        TestCall(espeak, factory.speech(), brain, SETTINGS) as call,
    ):
        server.deepgram.listening.cut_after = 60_000
        call.say(QUESTION)
        first = await call.until(events.Heard, timeout_s=90)
        call.say("where can we park the car")
        await call.until(events.Heard, lambda e: e.turn_id != first.turn_id, timeout_s=90)
    assert [turn.text for turn in brain.turns] == [QUESTION, "where can we park the car"]
    troubles = [event for event in call.told if isinstance(event, events.Trouble)]
    assert [(trouble.part, trouble.fatal) for trouble in troubles] == [("stt", False)]
    assert troubles[0].error.startswith("deepgram: ")


async def test_a_guest_can_still_interrupt_after_the_recogniser_was_replaced(espeak: Espeak) -> None:
    brain = ScriptedBrain(reply(LONG), reply("Parking is free."))
    async with (
        running_speech(ScriptedEars("never")) as server,
        factory_for(server, stt="deepgram,local", tts="openai,local") as factory,
        TestCall(espeak, factory.speech(), brain, SETTINGS) as call,
    ):
        server.deepgram.listening.status = 503
        call.say(QUESTION)
        await call.until(events.Playout, lambda e: e.what == "started", timeout_s=90)
        asked = len(call.told)
        call.say("where can we park the car")
        heard = await call.until(events.Heard, timeout_s=90)
        await call.until(events.Heard, lambda e: e.turn_id != heard.turn_id, timeout_s=90)
    assert not heard.complete
    assert LONG.startswith(heard.heard)
    told = call.told[asked:]
    interim = next(at for at, event in enumerate(told) if isinstance(event, events.Transcript) and not event.final)
    cut = next(at for at, event in enumerate(told) if isinstance(event, events.Playout) and event.what == "cut")
    final = next(at for at, event in enumerate(told) if isinstance(event, events.Transcript) and event.final)
    assert interim < cut < final, "interim words were enough"


async def test_a_call_without_any_voice_goes_on_and_nothing_counts_as_heard(espeak: Espeak) -> None:
    brain = ScriptedBrain(reply(FIRST), reply(SECOND))
    async with (
        running_speech(ScriptedEars(QUESTION, "where can we park")) as server,
        factory_for(server, stt="deepgram", tts="openai") as factory,
        TestCall(espeak, factory.speech(), brain, SETTINGS) as call,
    ):
        server.openai.speaking.status = 503
        call.say(QUESTION)
        first = await call.until(events.Heard, timeout_s=90)
        server.openai.speaking.clear()
        call.say("where can we park the car")
        second = await call.until(events.Heard, lambda e: e.turn_id != first.turn_id, timeout_s=90)
    assert (first.heard, first.heard_ms) == ("", 0)
    assert (second.heard, second.complete) == (SECOND, True)


@pytest.mark.parametrize(
    ("voice", "words"),
    [
        ("elevenlabs", 2),
        pytest.param("openai", 4, marks=pytest.mark.long),
        pytest.param("deepgram", 4, marks=pytest.mark.long),
    ],
)
async def test_what_was_heard_of_an_interrupted_answer_is_known_with_every_voice(
    espeak: Espeak, voice: str, words: int
) -> None:
    """To the word where the provider tells word times; else by the share of the sentence."""
    brain = ScriptedBrain(reply(LONG), reply("Parking is free."))
    async with (
        running_speech(ScriptedEars(QUESTION, "where can we park the car")) as server,
        factory_for(server, stt="deepgram", tts=f"{voice},local", local_voice_rate=175) as factory,
        TestCall(espeak, factory.speech(), brain, SETTINGS) as call,
    ):
        call.say(QUESTION)
        await call.until(events.Playout, lambda e: e.what == "started" and e.segment == 2, timeout_s=90)
        call.say("where can we park the car")
        heard = await call.until(events.Heard, timeout_s=90)
    assert not heard.complete
    assert LONG.startswith(heard.heard)
    truth = words_in(espeak, Voice(), LONG, played_ms(call.told, {1, 2}))
    assert abs(len(heard.heard.split()) - truth) <= words, (heard.heard, truth)
