"""The recogniser and the voice of a call, chosen by settings, with the next one standing by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
from livekit.agents import inference, stt, tts, vad
from livekit.plugins import deepgram, elevenlabs, openai

from services.voice_gateway.ports import VoiceUnavailable
from services.voice_gateway.settings import SpeechSettings, SttProvider, TtsProvider
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.espeak_tts import EspeakTTS
from services.voice_gateway.speech.sphinx import RecogniserPool
from services.voice_gateway.speech.sphinx_stt import SphinxSTT

_UTTERANCE_SILENCE_S = 0.35
"""Silence that ends an utterance for the local recogniser: its words are there before the turn is over."""


@dataclass(frozen=True)
class Speech:
    """What a session hears and speaks with."""

    stt: stt.STT[Any]
    tts: tts.TTS[Any]
    vad: vad.VAD

    async def close(self) -> None:
        """Let go of connections and retries of this call."""
        await self.stt.aclose()
        await self.tts.aclose()


class SpeechFactory:
    """Makes the speech of each call. What is heavy (models, connections) is shared by the calls of the process."""

    def __init__(self, settings: SpeechSettings, http: aiohttp.ClientSession) -> None:
        """Raises `VoiceUnavailable` when a provider is named without its key or package."""
        self._settings, self._http = settings, http
        self._stt_order, self._tts_order = settings.stt_order(), settings.tts_order()
        self._espeak = Espeak() if TtsProvider.LOCAL in self._tts_order else None
        self._pool = RecogniserPool() if SttProvider.LOCAL in self._stt_order else None

    def warm(self) -> None:
        """Load the local models, so that the first call does not wait. Blocking."""
        if self._pool:
            self._pool.give(self._pool.take())

    def speech(self) -> Speech:
        """For one call."""
        detector = inference.VAD(min_silence_duration=0.25)
        recognisers = [self._stt(provider) for provider in self._stt_order]
        voices = [self._tts(provider) for provider in self._tts_order]
        return Speech(
            stt=recognisers[0] if len(recognisers) == 1 else stt.FallbackAdapter(recognisers, vad=detector),
            tts=voices[0] if len(voices) == 1 else tts.FallbackAdapter(voices),
            vad=detector,
        )

    def close(self) -> None:
        if self._pool:
            self._pool.close()

    def _stt(self, provider: SttProvider) -> stt.STT[Any]:
        settings = self._settings
        match provider:
            case SttProvider.DEEPGRAM:
                return deepgram.STT(
                    model=settings.deepgram_stt_model,
                    language=settings.language,
                    interim_results=True,
                    api_key=_key(settings.deepgram_api_key.get_secret_value(), "DEEPGRAM_API_KEY"),
                    base_url=f"{settings.deepgram_base_url}/v1/listen",
                    http_session=self._http,
                )
            case SttProvider.OPENAI:
                return openai.STT(
                    model=settings.openai_stt_model,
                    api_key=_key(settings.openai_api_key.get_secret_value(), "OPENAI_API_KEY"),
                    base_url=settings.openai_base_url,
                )
            case SttProvider.LOCAL:
                assert self._pool
                return SphinxSTT(self._pool, inference.VAD(min_silence_duration=_UTTERANCE_SILENCE_S))

    def _tts(self, provider: TtsProvider) -> tts.TTS[Any]:
        settings = self._settings
        match provider:
            case TtsProvider.OPENAI:
                return openai.TTS(
                    model=settings.openai_tts_model,
                    voice=settings.openai_tts_voice,
                    api_key=_key(settings.openai_api_key.get_secret_value(), "OPENAI_API_KEY"),
                    base_url=settings.openai_base_url,
                    response_format="pcm",
                )
            case TtsProvider.ELEVENLABS:
                return elevenlabs.TTS(
                    voice_id=settings.elevenlabs_voice_id,
                    model=settings.elevenlabs_model,
                    api_key=_key(settings.elevenlabs_api_key.get_secret_value(), "ELEVENLABS_API_KEY"),
                    http_session=self._http,
                )
            case TtsProvider.DEEPGRAM:
                return deepgram.TTS(
                    model=settings.deepgram_tts_model,
                    api_key=_key(settings.deepgram_api_key.get_secret_value(), "DEEPGRAM_API_KEY"),
                    base_url=f"{settings.deepgram_base_url}/v1/speak",
                    http_session=self._http,
                )
            case TtsProvider.LOCAL:
                assert self._espeak
                return EspeakTTS(self._espeak, Voice(settings.local_voice, settings.local_voice_rate))


def _key(value: str, name: str) -> str:
    if not value:
        raise VoiceUnavailable(f"{name} is not set")
    return value
