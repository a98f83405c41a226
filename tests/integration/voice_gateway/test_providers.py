"""The real plugins, each against a server that speaks its protocol: what is said aloud is recognised back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from services.voice_gateway import events
from services.voice_gateway.domain.wording import word_errors, words_of
from services.voice_gateway.ports import VoiceUnavailable
from services.voice_gateway.settings import CallSettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import SpeechFactory
from services.voice_gateway.speech.sphinx import Recogniser, RecogniserPool
from tests.integration.voice_gateway.callers import GUEST, ScriptedBrain, TestCall, reply
from tests.integration.voice_gateway.provided import factory_for, hear, push, question_pcm, say
from tests.integration.voice_gateway.truth import loudness
from tests.servers.speech import HotelEars, ScriptedEars, SpeechServer, running_speech

QUESTION = "what time is breakfast served on monday"
SECOND = "where can we park the car"
ANSWER = "What time is breakfast served on Monday? Where can we park the car?"
TERMS = '{"harbour": ["Harbour View", "Tide Bar"], "*": ["Concierge"]}'


@pytest.fixture(scope="module")
def pool() -> Iterator[RecogniserPool]:
    pool = RecogniserPool()
    yield pool
    pool.close()


@pytest.fixture
async def server(pool: RecogniserPool) -> AsyncIterator[SpeechServer]:
    ears = await asyncio.to_thread(HotelEars, pool)
    async with running_speech(ears, GUEST) as server:
        yield server


def recognise(recogniser: Recogniser, pcm: bytes) -> str:
    recogniser.start()
    recogniser.hear(bytes(8_000) + pcm + bytes(8_000))
    return recogniser.finish().text


async def test_deepgram_hears_with_interim_results_and_knows_the_propertys_names(
    server: SpeechServer, espeak: Espeak
) -> None:
    async with factory_for(server, stt="deepgram", tts="local", keyterms=TERMS) as factory, asyncio.timeout(90):
        speech = factory.speech("harbour")
        async with speech.stt.stream() as stream:
            push(stream, question_pcm(espeak, QUESTION))
            first = await hear(stream)
            push(stream, question_pcm(espeak, SECOND))
            second = await hear(stream)
            stream.end_input()
            async for _ in stream:
                pass
        await speech.close()
    assert first.finals == [QUESTION]
    assert second.finals == [SECOND]
    assert any(1 < len(words.split()) < len(QUESTION.split()) for words in first.interims)
    assert server.deepgram.keyterms == ["Harbour View", "Tide Bar"]
    assert server.deepgram.models == ["nova-3"]
    assert server.deepgram.authorizations == ["Token dg-key"]
    assert {"KeepAlive", "Finalize", "CloseStream"} <= set(server.deepgram.controls)


async def test_openai_hears_whole_utterances_and_is_told_the_names(server: SpeechServer, espeak: Espeak) -> None:
    async with factory_for(server, stt="openai", tts="local", keyterms=TERMS) as factory, asyncio.timeout(90):
        speech = factory.speech("elsewhere")
        async with speech.stt.stream() as stream:
            push(stream, question_pcm(espeak, QUESTION))
            heard = await hear(stream)
        await speech.close()
    assert heard.finals == [QUESTION]
    assert server.openai.prompts[0].endswith("Concierge.")
    assert server.openai.authorizations == ["Bearer oa-key"]


@pytest.mark.parametrize(
    ("provider", "timed_by_word"),
    [("openai", False), ("openai-plain", False), ("deepgram", False), ("elevenlabs", True), ("local", True)],
)
async def test_a_voice_is_recognised_back_and_its_captions_are_the_text(
    server: SpeechServer, pool: RecogniserPool, provider: str, timed_by_word: bool
) -> None:
    server.openai.events = provider != "openai-plain"
    settings: dict[str, Any] = {
        "tts": provider.split("-")[0],
        "stt": "local",
        "local_voice": GUEST.name,
        "local_voice_rate": GUEST.rate,
    }
    async with factory_for(server, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        assert speech.tts.capabilities.aligned_transcript
        said = await say(speech.tts, "What time is breakfast ser", "ved on Monday? Where can", " we park the car?")
        await speech.close()
    assert said.caption == ANSWER
    starts = [float(word.start_time) for word in said.words if word.strip()]  # type: ignore[arg-type]
    assert starts == sorted(starts)
    assert starts[-1] < said.duration_s
    assert len(starts) == (len(ANSWER.split()) if timed_by_word else 4)
    recogniser = await asyncio.to_thread(pool.take)
    found = await asyncio.to_thread(recognise, recogniser, said.pcm)
    assert word_errors(ANSWER, found) <= len(words_of(ANSWER)) * 0.15, found


async def test_elevenlabs_is_asked_for_the_words_as_they_are_written(server: SpeechServer) -> None:
    async with factory_for(server, tts="elevenlabs", stt="local") as factory, asyncio.timeout(90):
        speech = factory.speech()
        said = await say(speech.tts, "Breakfast is at 10:30, in the Harbour-side room.")
        await speech.close()
    assert said.caption == "Breakfast is at 10:30, in the Harbour-side room."
    assert server.elevenlabs.keys == ["el-key"]
    assert "/EXAVITQu4vr4xnSDxMaL/" in server.elevenlabs.paths[0]


async def test_a_call_with_deepgram_ears_and_an_openai_voice() -> None:
    answer = "Of course. The key is at the front desk."
    brain = ScriptedBrain(reply(answer))
    async with (
        running_speech(ScriptedEars("Could you get me a new key?")) as server,
        factory_for(server, stt="deepgram", tts="openai") as factory,
        TestCall(Espeak(), factory.speech(), brain, CallSettings(greeting="")) as call,
    ):
        call.say("anything at all, the server decides what it was")
        heard = await call.until(events.Heard, timeout_s=90)
    assert brain.turns[0].text == "Could you get me a new key?"
    assert brain.turns[0].confidence == pytest.approx(0.97)
    assert next(e.text for e in call.told if isinstance(e, events.Transcript) and not e.final) == "Could you"
    assert " ".join(server.openai.spoken) == answer
    assert (heard.heard, heard.complete) == (answer, True)
    assert loudness(call.concierge) > 10


async def test_a_provider_without_its_key_is_told_at_once() -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(VoiceUnavailable, match="DEEPGRAM_API_KEY"):
            SpeechFactory(SpeechSettings(stt="deepgram", tts="local", deepgram_api_key=SecretStr("")), http)
        with pytest.raises(VoiceUnavailable, match="BOTEL_OPENAI_SPEECH_API_KEY"):
            SpeechFactory(SpeechSettings(stt="local", tts="openai", openai_speech_base_url="http://127.0.0.1:1"), http)
        with pytest.raises(VoiceUnavailable, match="BOTEL_KEYTERMS"):
            SpeechFactory(SpeechSettings(stt="local", tts="local", keyterms="{"), http)


async def test_who_hears_and_speaks_is_told_without_keys(server: SpeechServer) -> None:
    async with factory_for(server, stt="deepgram,local", tts="elevenlabs,local") as factory:
        told = factory.providers()
    assert [(state.part, state.provider, state.model, state.works) for state in told] == [
        ("stt", "deepgram", "nova-3", True),
        ("stt", "local", "pocketsphinx", True),
        ("tts", "elevenlabs", "eleven_turbo_v2_5", True),
        ("tts", "local", "espeak-ng", True),
    ]
    assert "key" not in repr(told)
