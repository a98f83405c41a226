"""Hearing and speaking without a key: the real recogniser and the real voice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit import rtc
from livekit.agents import inference, stt

from services.voice_gateway.audio import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from services.voice_gateway.domain.wording import word_errors, words_of
from services.voice_gateway.ports import VoiceUnavailable
from services.voice_gateway.speech.espeak import MAX_TEXT_CHARS, Espeak, Voice
from services.voice_gateway.speech.espeak_tts import EspeakTTS
from services.voice_gateway.speech.resampling import resample
from services.voice_gateway.speech.sphinx import Recogniser, RecogniserPool
from services.voice_gateway.speech.sphinx_stt import SphinxSTT
from tests.integration.voice_gateway.callers import GUEST

SPEECH_LINES = Path(__file__).parents[3] / "benchmarks" / "speech"
PAUSE = bytes(SAMPLE_RATE // 4 * 2)
TEXT = "Breakfast is served from 7 until 10:30, in the Harbour-side room. Would you like anything else?"


@pytest.fixture(scope="module")
def pool() -> Iterator[RecogniserPool]:
    pool = RecogniserPool()
    yield pool
    pool.close()


def pcm_of(espeak: Espeak, line: str, voice: Voice = GUEST) -> bytes:
    said = espeak.synthesise(line, voice)
    return PAUSE + resample(said.pcm, said.sample_rate, SAMPLE_RATE) + PAUSE


def recognise(recogniser: Recogniser, pcm: bytes) -> tuple[str, float]:
    recogniser.reset()
    recogniser.start()
    for at in range(0, len(pcm), 3_200):
        recogniser.hear(pcm[at : at + 3_200])
    found = recogniser.finish()
    return found.text, found.confidence


def test_a_guest_is_understood_and_nonsense_is_doubted(espeak: Espeak, pool: RecogniserPool) -> None:
    recogniser = pool.take()
    lines = (SPEECH_LINES / "heldout.txt").read_text(encoding="utf-8").splitlines()[::2]
    found = [recognise(recogniser, pcm_of(espeak, line)) for line in lines]
    errors = sum(word_errors(line, text) for line, (text, _) in zip(lines, found, strict=True))
    assert errors / sum(len(words_of(line)) for line in lines) <= 0.1
    nonsense = (SPEECH_LINES / "nonsense.txt").read_text(encoding="utf-8").splitlines()[:3]
    doubted = [recognise(recogniser, pcm_of(espeak, line))[1] for line in nonsense]
    assert max(doubted) < sum(confidence for _, confidence in found) / len(found)
    pool.give(recogniser)


def test_silence_has_no_words(pool: RecogniserPool) -> None:
    recogniser = pool.take()
    assert recognise(recogniser, bytes(SAMPLE_RATE * 2))[0] in ("", "a", "the")
    pool.give(recogniser)


async def test_words_come_while_the_guest_speaks(espeak: Espeak, pool: RecogniserPool) -> None:
    recognition = SphinxSTT(pool, inference.VAD(min_silence_duration=0.35))
    pcm = pcm_of(espeak, "what time is breakfast served on monday") + bytes(SAMPLE_RATE * 2)
    async with recognition.stream() as stream:
        for at in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES):
            stream.push_frame(rtc.AudioFrame(pcm[at : at + FRAME_BYTES], SAMPLE_RATE, 1, FRAME_SAMPLES))
        stream.end_input()
        async with asyncio.timeout(20):
            found = [event async for event in stream]
    kinds = [event.type for event in found]
    assert kinds[0] is stt.SpeechEventType.START_OF_SPEECH
    assert kinds[-2:] == [stt.SpeechEventType.FINAL_TRANSCRIPT, stt.SpeechEventType.END_OF_SPEECH]
    assert kinds.count(stt.SpeechEventType.INTERIM_TRANSCRIPT) >= 3
    final = found[-2].alternatives[0]
    assert final.text == "what time is breakfast served on monday"
    assert 0.3 < final.confidence <= 1


def test_every_word_has_its_time(espeak: Espeak) -> None:
    spoken = espeak.synthesise(TEXT, Voice())
    assert "".join(word.text for word in spoken.words) == TEXT
    starts = [word.start_ms for word in spoken.words]
    assert starts == sorted(starts)
    assert starts[0] < 100
    assert spoken.duration_ms - 1_500 < starts[-1] < spoken.duration_ms


def test_slow_speech_takes_longer_and_two_voices_do_not_mix(espeak: Espeak) -> None:
    other = Espeak()
    fast, slow = espeak.synthesise(TEXT, Voice(rate=260)), other.synthesise(TEXT, Voice(rate=110))
    assert slow.duration_ms > 1.8 * fast.duration_ms
    again = espeak.synthesise(TEXT, Voice(rate=260))
    assert abs(again.duration_ms - fast.duration_ms) < 50


def test_what_cannot_be_spoken_is_refused(espeak: Espeak) -> None:
    with pytest.raises(VoiceUnavailable, match="xx-nowhere"):
        espeak.synthesise("hello", Voice("xx-nowhere"))
    with pytest.raises(ValueError, match="at most"):
        espeak.synthesise("x" * (MAX_TEXT_CHARS + 1), Voice())


async def test_the_voice_streams_by_sentence_with_timed_words(espeak: Espeak) -> None:
    voice = EspeakTTS(espeak, Voice())
    timed, samples = [], 0
    async with voice.stream() as stream:
        for piece in ("It opens at 7.", "30 in the morning. The pool", " is on the roof."):
            stream.push_text(piece)
        stream.end_input()
        async for audio in stream:
            samples += audio.frame.samples_per_channel
            timed += audio.frame.userdata.get("lk.timed_transcripts", [])
    assert "".join(timed) == "It opens at 7.30 in the morning. The pool is on the roof."
    starts = [word.start_time for word in timed]
    assert starts == sorted(starts)
    assert starts[-1] < samples / voice.sample_rate


def test_a_hotels_own_names_are_recognised_once_they_are_told(espeak: Espeak, pool: RecogniserPool) -> None:
    line = "where is the tide bar"
    plain = pool.take()
    assert recognise(plain, pcm_of(espeak, line))[0] != line
    pool.give(plain)
    told = RecogniserPool(terms=("Tide Bar", "Zzyzx Lounge"))
    recogniser = told.take()
    assert recognise(recogniser, pcm_of(espeak, line))[0] == line
    assert recognise(recogniser, pcm_of(espeak, "what time is breakfast"))[0] == "what time is breakfast"
    told.close()
