"""A call in real time: real session, recogniser, voice and detector; only the brain is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from services.voice_gateway import events
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import Speech, SpeechFactory
from tests.integration.voice_gateway.callers import ScriptedBrain, TestCall, reply

SETTINGS = CallSettings(greeting="")


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


@pytest.fixture
async def speech() -> AsyncIterator[Speech]:
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(SpeechSettings(stt="local", tts="local"), http)
        factory.warm()
        yield factory.speech()
        factory.close()


async def test_a_question_is_answered_and_what_was_heard_is_reported(espeak: Espeak, speech: Speech) -> None:
    brain = ScriptedBrain(reply("Breakfast is served from seven. Enjoy it."))
    async with TestCall(espeak, speech, brain, SETTINGS) as call:
        call.say("what time is breakfast served on monday")
        heard = await call.until(events.Heard)
    assert brain.turns[0].text == "what time is breakfast served on monday"
    assert heard.complete
    assert brain.reports[0].text == "Breakfast is served from seven. Enjoy it."
    print(heard.timings, brain.turns[0], brain.journal)
