"""The real provider plugins in a call, against servers that speak their protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr

from services.voice_gateway import events
from services.voice_gateway.ports import VoiceUnavailable
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import SpeechFactory
from tests.integration.voice_gateway.callers import ScriptedBrain, TestCall, reply
from tests.integration.voice_gateway.truth import loudness
from tests.servers.speech import SpeechServer, running_speech

ANSWER = "Of course. The key is at the front desk."


@pytest.fixture
async def server() -> AsyncIterator[SpeechServer]:
    async with running_speech("Could you get me a new key?") as server:
        yield server


def settings_for(server: SpeechServer, *, stt: str = "", tts: str = "") -> SpeechSettings:
    return SpeechSettings(
        stt=stt,
        tts=tts,
        deepgram_api_key=SecretStr("dg-key"),
        deepgram_base_url=server.url,
        openai_api_key=SecretStr("oa-key"),
        openai_base_url=f"{server.url}/v1",
    )


async def test_a_call_with_deepgram_ears_and_an_openai_voice(server: SpeechServer) -> None:
    brain = ScriptedBrain(reply(ANSWER))
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(settings_for(server, stt="deepgram", tts="openai"), http)
        async with TestCall(Espeak(), factory.speech(), brain, CallSettings(greeting="")) as call:
            call.say("anything at all, the server decides what it was")
            heard = await call.until(events.Heard)
    assert brain.turns[0].text == "Could you get me a new key?"
    assert brain.turns[0].confidence == pytest.approx(0.97)
    assert next(e.text for e in call.told if isinstance(e, events.Transcript) and not e.final) == "Could you"
    assert " ".join(text.strip() for text in server.spoken) == ANSWER
    assert (heard.heard, heard.complete) == (ANSWER, True)
    assert loudness(call.concierge) > 10
    assert set(server.authorizations) == {"Token dg-key", "Bearer oa-key"}


async def test_the_local_voice_takes_over_when_the_provider_fails(server: SpeechServer) -> None:
    server.broken = True
    brain = ScriptedBrain(reply(ANSWER))
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(settings_for(server, stt="deepgram", tts="openai,local"), http)
        async with TestCall(Espeak(), factory.speech(), brain, CallSettings(greeting="")) as call:
            call.say("anything at all")
            heard = await call.until(events.Heard, timeout_s=30)
        factory.close()
    assert (heard.heard, heard.complete) == (ANSWER, True)
    assert loudness(call.concierge) > 10
    assert server.spoken == []


async def test_a_provider_without_its_key_is_told_at_once() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(VoiceUnavailable, match="DEEPGRAM_API_KEY"):
            SpeechFactory(SpeechSettings(stt="deepgram", tts="local", deepgram_api_key=SecretStr("")), http)
