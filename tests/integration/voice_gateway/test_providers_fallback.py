"""A provider fails and the guest does not notice more than a pause: no word is lost on either side."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.voice_gateway.domain.wording import word_errors, words_of
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.failure import ProviderChange
from services.voice_gateway.speech.sphinx import RecogniserPool
from tests.integration.voice_gateway.callers import GUEST
from tests.integration.voice_gateway.provided import factory_for, hear, on_the_line, push, question_pcm, say
from tests.servers.speech import HotelEars, ScriptedEars, SpeechServer, running_speech

QUESTION = "what time is breakfast served on monday"
SECOND = "where can we park the car"
ANSWER = "What time is breakfast served on Monday? Where can we park the car?"
PATIENCE_S = 1.5
LONG_PATIENCE_S = 20.0
"""Where nothing hangs: a busy machine is no failure."""
REST_S = 1e-6


class Changes:
    """What is told of providers; `until` waits for it."""

    def __init__(self) -> None:
        self.told: list[ProviderChange] = []
        self._changed = asyncio.Event()

    def __call__(self, change: ProviderChange) -> None:
        self.told.append(change)
        self._changed.set()

    async def until(self, provider: str, *, works: bool) -> ProviderChange:
        async with asyncio.timeout(90):
            while True:
                for change in self.told:
                    if (change.provider, change.works) == (provider, works):
                        return change
                await self.next()

    async def next(self) -> None:
        self._changed.clear()
        await self._changed.wait()


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


async def recognised(pool: RecogniserPool, pcm: bytes) -> str:
    def recognise() -> str:
        recogniser = pool.take()
        recogniser.start()
        recogniser.hear(bytes(8_000) + pcm + bytes(8_000))
        found = recogniser.finish().text
        pool.give(recogniser)
        return found

    return await asyncio.to_thread(recognise)


@pytest.mark.parametrize("first", ["openai", "deepgram", "elevenlabs"])
@pytest.mark.parametrize("fault", ["refuses", "silent"])
async def test_the_next_voice_speaks_when_the_first_does_not(
    server: SpeechServer, pool: RecogniserPool, first: str, fault: str
) -> None:
    broken = getattr(server, first).speaking
    broken.status, broken.silent = (503, False) if fault == "refuses" else (0, True)
    changes = Changes()
    settings: dict[str, Any] = {"local_voice": GUEST.name, "local_voice_rate": GUEST.rate}
    settings |= {"tts": f"{first},local", "stt": "local", "speech_patience_s": PATIENCE_S}
    async with factory_for(server, changes, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        told: list[Exception] = []
        speech.tts.on("error", lambda error: told.append(error))
        said = await say(speech.tts, ANSWER)
        await speech.close()
    assert said.caption == ANSWER
    assert word_errors(ANSWER, await recognised(pool, said.pcm)) <= len(words_of(ANSWER)) * 0.15
    assert [(change.part, change.provider, change.works) for change in changes.told] == [("tts", first, False)]
    assert broken.requests == 1, "the second sentence does not wait for it again"
    assert len(told) == 1


@pytest.mark.parametrize(("first", "again"), [("elevenlabs", 1), ("openai", 7)])
async def test_a_voice_that_breaks_off_is_followed_by_another_and_no_word_is_lost(
    server: SpeechServer, pool: RecogniserPool, first: str, again: int
) -> None:
    getattr(server, first).speaking.cut_after = 24_000 * 2
    voices: dict[str, Any] = {"local_voice": GUEST.name, "local_voice_rate": GUEST.rate}
    async with factory_for(server, tts=f"{first},local", stt="local", **voices) as factory, asyncio.timeout(90):
        speech = factory.speech()
        said = await say(speech.tts, ANSWER)
        await speech.close()
    assert said.caption == ANSWER
    starts = [float(word.start_time) for word in said.words]  # type: ignore[arg-type]
    assert starts == sorted(starts)
    found = words_of(await recognised(pool, said.pcm))
    assert found[-6:] == words_of("where can we park the car")
    assert found.count("breakfast") >= 1
    assert "monday" in found
    assert len(found) <= len(words_of(ANSWER)) + again + 2, "it goes on where it broke off, by word or by sentence"


async def test_a_voice_is_used_again_once_it_has_spoken_to_nobody(server: SpeechServer) -> None:
    server.openai.speaking.status = 500
    changes = Changes()
    async with (
        factory_for(
            server, changes, tts="openai,local", stt="local", speech_rest_s=REST_S, speech_patience_s=LONG_PATIENCE_S
        ) as factory,
        asyncio.timeout(90),
    ):
        speech = factory.speech()
        await say(speech.tts, "It does not work.")
        server.openai.speaking.clear()
        await say(speech.tts, "It is tried.")
        await changes.until("openai", works=True)
        await say(speech.tts, "It is used.")
        await speech.close()
    assert server.openai.spoken == ["It is tried.", "It is used."]


@pytest.mark.parametrize("fault", ["refuses", "cut", "silent"])
async def test_a_question_outlives_its_recogniser(server: SpeechServer, fault: str) -> None:
    listening = server.deepgram.listening
    listening.status = 503 if fault == "refuses" else 0
    listening.cut_after = 45_000 if fault == "cut" else None
    listening.silent = fault == "silent"
    changes = Changes()
    settings: dict[str, Any] = {"stt": "deepgram,local", "tts": "local", "speech_patience_s": PATIENCE_S}
    async with factory_for(server, changes, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        async with speech.stt.stream() as stream, on_the_line(stream) as speak:
            speak(QUESTION)
            first = await hear(stream)
            speak(SECOND)
            second = await hear(stream)
        await speech.close()
    assert first.finals == [QUESTION]
    assert second.finals == [SECOND]
    assert second.interims, "who takes over has interim results too"
    assert [(change.part, change.provider, change.works) for change in changes.told] == [("stt", "deepgram", False)]


async def test_whole_utterances_stand_by_for_a_stream(server: SpeechServer) -> None:
    server.deepgram.listening.cut_after = 45_000
    async with (
        factory_for(server, stt="deepgram,openai", tts="local", speech_patience_s=LONG_PATIENCE_S) as factory,
        asyncio.timeout(90),
    ):
        speech = factory.speech()
        async with speech.stt.stream() as stream, on_the_line(stream) as speak:
            speak(QUESTION)
            heard = await hear(stream)
        await speech.close()
    assert heard.finals == [QUESTION]
    assert server.openai.hearing.requests == 1


async def test_an_utterance_that_is_not_answered_goes_to_the_next(server: SpeechServer) -> None:
    server.openai.hearing.silent = True
    changes = Changes()
    settings: dict[str, Any] = {"stt": "openai,local", "tts": "local", "speech_patience_s": PATIENCE_S / 2}
    async with factory_for(server, changes, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        async with speech.stt.stream() as stream, on_the_line(stream) as speak:
            speak(QUESTION)
            heard = await hear(stream)
        await speech.close()
    assert heard.finals == [QUESTION]
    assert [change.reason for change in changes.told] == ["APITimeoutError"]


class LateEars(ScriptedEars):
    """Does not know its words before it is let."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.may = threading.Event()

    def finish(self) -> str:
        self.may.wait(20)
        return super().finish()


@pytest.mark.parametrize("late", [False, True], ids=["first", "last"])
async def test_a_recogniser_that_is_back_hears_beside_the_other_and_then_in_its_place(
    server: SpeechServer, late: bool
) -> None:
    server.deepgram.listening.status = 503
    ears = LateEars("heard beside the other", "heard in its place")
    server.deepgram.ears = ears
    if not late:
        ears.may.set()
    changes = Changes()
    settings: dict[str, Any] = {"stt": "deepgram,local", "tts": "local", "speech_rest_s": REST_S}
    settings["speech_patience_s"] = LONG_PATIENCE_S
    async with factory_for(server, changes, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        finals = []
        async with speech.stt.stream() as stream, on_the_line(stream) as speak:
            await changes.until("deepgram", works=False)
            server.deepgram.listening.clear()
            speak(QUESTION)
            finals += (await hear(stream)).finals
            ears.may.set()
            await changes.until("deepgram", works=True)
            speak(SECOND)
            finals += (await hear(stream)).finals
        await speech.close()
    assert finals == [QUESTION, "heard in its place"]
    assert [(change.provider, change.works) for change in changes.told] == [("deepgram", False), ("deepgram", True)]


async def test_a_cough_and_a_pause_are_no_failure(server: SpeechServer, espeak: Espeak) -> None:
    changes = Changes()
    settings: dict[str, Any] = {"stt": "deepgram,local", "tts": "local", "speech_patience_s": LONG_PATIENCE_S}
    async with factory_for(server, changes, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        async with speech.stt.stream() as stream:
            push(stream, bytes(16_000 * 2 * 20))
            push(stream, espeak.synthesise("ah", Voice("en-us", 300)).pcm)
            push(stream, bytes(16_000 * 2 * 3))
            push(stream, question_pcm(espeak, QUESTION))
            while QUESTION not in (await hear(stream)).finals:
                pass
        await speech.close()
    assert changes.told == []


async def test_a_question_outlives_an_outage_of_all_recognisers(server: SpeechServer) -> None:
    server.deepgram.listening.status = 503
    changes = Changes()
    async with factory_for(server, changes, stt="deepgram", tts="local") as factory, asyncio.timeout(90):
        speech = factory.speech()
        async with speech.stt.stream() as stream, on_the_line(stream) as speak:
            speak(QUESTION)
            while len(changes.told) < 2:
                await changes.next()
            server.deepgram.listening.clear()
            heard = await hear(stream)
        await speech.close()
    assert heard.finals == [QUESTION]


async def test_a_recogniser_that_hangs_is_found_out_by_short_words_too(server: SpeechServer) -> None:
    server.deepgram.listening.silent = True
    changes = Changes()
    settings: dict[str, Any] = {"stt": "deepgram,local", "tts": "local", "speech_patience_s": PATIENCE_S / 2}
    async with factory_for(server, changes, **settings) as factory, asyncio.timeout(90):
        speech = factory.speech()
        async with speech.stt.stream() as stream, on_the_line(stream) as speak:
            while not changes.told:
                speak("yes")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2.5):
                        await changes.next()
            heard = await hear(stream)
        await speech.close()
    assert [change.reason for change in changes.told] == ["ProviderSilent"]
    assert "yes" in heard.finals[0]
