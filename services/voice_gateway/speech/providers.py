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


_Part = stt.STT[Any] | tts.TTS[Any]


@dataclass(frozen=True)
class Speech:
    """What a session hears and speaks with."""

    stt: stt.STT[Any]
    tts: tts.TTS[Any]
    vad: vad.VAD
    parts: tuple[_Part, ...] = ()
    """What adapters do not close."""

    async def close(self) -> None:
        """Let go of connections and retries of this call."""
        for part in (self.stt, self.tts, *self.parts):
            await part.aclose()


class SpeechFactory:
    """Makes the speech of each call. What is heavy (models, connections) is shared by the calls of the process."""

    def __init__(self, settings: SpeechSettings, http: aiohttp.ClientSession | None = None) -> None:
        """Raises `VoiceUnavailable` when a provider is named without its key or package."""
        self._settings, self._http = settings, http
        self._stt_order, self._tts_order = settings.stt_order(), settings.tts_order()
        _check_keys(settings, {*self._stt_order, *self._tts_order})
        self._espeak = Espeak() if TtsProvider.LOCAL in self._tts_order else None
        self._pool = RecogniserPool() if SttProvider.LOCAL in self._stt_order else None

    def warm(self) -> None:
        """Load the local models, so that the first call does not wait. Blocking."""
        if self._pool:
            self._pool.give(self._pool.take())

    def attach(self, http: aiohttp.ClientSession) -> None:
        """Give it a session later: models are loaded before there is an event loop."""
        self._http = http

    def speech(self, property_id: str = "") -> Speech:
        """For one call."""
        detector = inference.VAD(min_silence_duration=0.25)
        recognisers = [self._stt(provider) for provider in self._stt_order]
        voices = [self._tts(provider) for provider in self._tts_order]
        aligned = [_aligned(voice) for voice in voices]
        return Speech(
            stt=recognisers[0] if len(recognisers) == 1 else stt.FallbackAdapter(recognisers, vad=detector),
            tts=aligned[0] if len(aligned) == 1 else tts.FallbackAdapter(aligned),
            vad=detector,
            parts=(*recognisers, *voices),
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
                    api_key=settings.deepgram_api_key.get_secret_value(),
                    base_url=f"{settings.deepgram_base_url}/v1/listen",
                    http_session=self._http,
                )
            case SttProvider.OPENAI:
                return openai.STT(
                    model=settings.openai_stt_model,
                    api_key=settings.openai_api_key.get_secret_value(),
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
                    api_key=settings.openai_api_key.get_secret_value(),
                    base_url=settings.openai_base_url,
                    response_format="pcm",
                )
            case TtsProvider.ELEVENLABS:
                return elevenlabs.TTS(
                    voice_id=settings.elevenlabs_voice_id,
                    model=settings.elevenlabs_model,
                    api_key=settings.elevenlabs_api_key.get_secret_value(),
                    http_session=self._http,
                )
            case TtsProvider.DEEPGRAM:
                return deepgram.TTS(
                    model=settings.deepgram_tts_model,
                    api_key=settings.deepgram_api_key.get_secret_value(),
                    base_url=f"{settings.deepgram_base_url}/v1/speak",
                    http_session=self._http,
                )
            case TtsProvider.LOCAL:
                assert self._espeak
                return EspeakTTS(self._espeak, Voice(settings.local_voice, settings.local_voice_rate))


def _aligned(voice: tts.TTS[Any]) -> tts.TTS[Any]:
    """The voice with times for its text, by sentence if it has none by word: they tell what the guest heard."""
    return voice if voice.capabilities.aligned_transcript else tts.StreamAdapter(tts=voice)


def _check_keys(settings: SpeechSettings, wanted: set[SttProvider | TtsProvider]) -> None:
    keys = {
        "deepgram": ("DEEPGRAM_API_KEY", settings.deepgram_api_key),
        "openai": ("OPENAI_API_KEY", settings.openai_api_key),
        "elevenlabs": ("ELEVENLABS_API_KEY", settings.elevenlabs_api_key),
    }
    for provider in sorted(wanted):
        name, key = keys.get(provider.value, ("", None))
        if key is not None and not key.get_secret_value():
            raise VoiceUnavailable(f"{provider.value} is wanted for speech and {name} is not set")
