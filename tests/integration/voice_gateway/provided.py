"""Speech through the real plugins: settings for the local providers, what a voice says, what a recogniser hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from livekit import rtc
from livekit.agents import stt, tts
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT, TimedString
from pydantic import SecretStr

from services.voice_gateway.audio import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, Microphone
from services.voice_gateway.settings import SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.failure import ProviderWatch
from services.voice_gateway.speech.providers import SpeechFactory
from services.voice_gateway.speech.resampling import resample
from tests.integration.voice_gateway.callers import GUEST
from tests.servers.speech import SpeechServer


def settings_for(server: SpeechServer, **more: Any) -> SpeechSettings:
    return SpeechSettings(
        deepgram_api_key=SecretStr("dg-key"),
        deepgram_base_url=server.url,
        openai_speech_api_key=SecretStr("oa-key"),
        openai_speech_base_url=f"{server.url}/v1",
        elevenlabs_api_key=SecretStr("el-key"),
        elevenlabs_base_url=f"{server.url}/v1",
        **more,
    )


@asynccontextmanager
async def factory_for(
    server: SpeechServer, watch: ProviderWatch | None = None, **more: Any
) -> AsyncIterator[SpeechFactory]:
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(settings_for(server, **more), http, watch)
        try:
            factory.warm()
            yield factory
        finally:
            factory.close()


def question_pcm(espeak: Espeak, line: str, silence_s: float = 1.0) -> bytes:
    """A guest's line at the call's rate, with silence around it."""
    said = espeak.synthesise(line, GUEST)
    return (
        bytes(SAMPLE_RATE) + resample(said.pcm, said.sample_rate, SAMPLE_RATE) + bytes(int(silence_s * SAMPLE_RATE) * 2)
    )


def push(stream: stt.RecognizeStream, pcm: bytes) -> None:
    for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
        stream.push_frame(rtc.AudioFrame(pcm[at : at + FRAME_BYTES], SAMPLE_RATE, 1, FRAME_SAMPLES))


@asynccontextmanager
async def on_the_line(stream: stt.RecognizeStream) -> AsyncIterator[Callable[[str], None]]:
    """A guest before a microphone that never stops; call what is given to say a line."""
    microphone, espeak = Microphone(), Espeak()

    async def listen() -> None:
        async for frame in microphone:
            stream.push_frame(frame)

    def speak(line: str) -> None:
        said = espeak.synthesise(line, GUEST)
        microphone.feed(resample(said.pcm, said.sample_rate, SAMPLE_RATE))

    listening = asyncio.create_task(listen())
    try:
        yield speak
    finally:
        microphone.close()
        await listening


@dataclass
class Heard:
    interims: list[str]
    finals: list[str]


async def hear(stream: stt.RecognizeStream, finals: int = 1) -> Heard:
    """What is recognised until so many final results."""
    found = Heard([], [])
    async for event in stream:
        if event.type is stt.SpeechEventType.INTERIM_TRANSCRIPT:
            found.interims.append(event.alternatives[0].text)
        if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
            found.finals.append(event.alternatives[0].text)
            if len(found.finals) >= finals:
                break
    return found


@dataclass
class Said:
    pcm: bytes
    """At 16 kHz."""
    words: list[TimedString]
    duration_s: float

    @property
    def caption(self) -> str:
        return "".join(self.words)


async def say(voice: tts.TTS[Any], *pieces: str, first: Callable[[], None] | None = None) -> Said:
    """The audio and captions of a text that comes in pieces; `first` is called with the first audio."""
    words: list[TimedString] = []
    pcm = b""
    async with contextlib.aclosing(_frames(voice, pieces)) as frames:
        async for frame in frames:
            if not pcm and first:
                first()
            words += frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])
            pcm += bytes(frame.data)
    duration_s = len(pcm) / 2 / voice.sample_rate
    return Said(resample(pcm, voice.sample_rate, SAMPLE_RATE), words, duration_s)


async def _frames(voice: tts.TTS[Any], pieces: tuple[str, ...]) -> AsyncGenerator[rtc.AudioFrame, None]:
    async with voice.stream() as stream:
        for piece in pieces:
            stream.push_text(piece)
        stream.end_input()
        async for audio in stream:
            yield audio.frame
