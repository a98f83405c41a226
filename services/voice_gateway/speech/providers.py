"""The recogniser and the voice of a call, chosen by settings, with the next one standing by."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import aiohttp
from livekit.agents import NOT_GIVEN, inference, stt, tts, vad
from livekit.plugins import deepgram, elevenlabs, openai
from openai import AsyncClient

from services.voice_gateway.domain.keyterms import as_prompt
from services.voice_gateway.ports import VoiceUnavailable
from services.voice_gateway.speech.bounded_stt import BoundedSTT
from services.voice_gateway.speech.ear import Hearing
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.espeak_tts import EspeakTTS
from services.voice_gateway.speech.failure import Ledger, ProviderWatch
from services.voice_gateway.speech.relay_stt import RelaySTT
from services.voice_gateway.speech.relay_tts import RelayTTS, Voicing
from services.voice_gateway.speech.settings import SpeechSettings, SttProvider, TtsProvider
from services.voice_gateway.speech.sphinx import RecogniserPool
from services.voice_gateway.speech.sphinx_stt import SphinxSTT

_log = logging.getLogger(__name__)
_UTTERANCE_SILENCE_S = 0.35
"""Silence that ends an utterance for the local recogniser: its words are there before the turn is over."""
_RECOGNITION_FACTOR = 2.0
"""A recogniser of whole utterances may take so many times the patience: all its work comes after the last word."""

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


@dataclass(frozen=True)
class ProviderState:
    """A provider in the order of use."""

    part: str
    provider: str
    model: str
    works: bool
    """False: it failed and was not seen to work since."""


class SpeechFactory:
    """Makes the speech of each call. What is heavy (models, connections) is shared by the calls of the process, and so
    is what is known of providers that fail."""

    def __init__(
        self, settings: SpeechSettings, http: aiohttp.ClientSession | None = None, watch: ProviderWatch | None = None
    ) -> None:
        """`watch` is told when a provider fails or comes back.

        Raises `VoiceUnavailable` when a provider is named without its key or package, or key terms do not parse.
        """
        self._settings, self._http = settings, http
        self._stt_order, self._tts_order = settings.stt_order(), settings.tts_order()
        _check_keys(settings, {*self._stt_order, *self._tts_order})
        try:
            self._keyterms = settings.keyterms_of()
        except (OSError, ValueError) as error:
            raise VoiceUnavailable(f"BOTEL_KEYTERMS: {error}") from error
        self._hearing = Ledger("stt", tuple(self._stt_order), settings.speech_rest_s, watch)
        self._speaking = Ledger("tts", tuple(self._tts_order), settings.speech_rest_s, watch)
        self._espeak = Espeak() if TtsProvider.LOCAL in self._tts_order else None
        self._pools: dict[tuple[str, ...], RecogniserPool] = {}
        if SttProvider.LOCAL in self._stt_order:
            self._pools = {terms: RecogniserPool(terms=terms) for terms in {(), *self._keyterms.values()}}

    def warm(self, property_id: str = "") -> None:
        """Load the local models, so that the property's first call does not wait. Blocking."""
        order = {"hearing": ",".join(self._stt_order), "speaking": ",".join(self._tts_order)}
        _log.info("speech providers", extra=order)
        if self._pools:
            pool = self._pools[self._terms(property_id)]
            pool.give(pool.take())

    def attach(self, http: aiohttp.ClientSession) -> None:
        """Give it a session later: models are loaded before there is an event loop."""
        self._http = http

    def speech(self, property_id: str = "") -> Speech:
        """For one call to a property, whose names the recogniser is told."""
        detector = inference.VAD(min_silence_duration=0.25)
        terms = self._terms(property_id)
        recognisers = [self._stt(provider, terms) for provider in self._stt_order]
        voices = [self._tts(provider) for provider in self._tts_order]
        return Speech(
            stt=self._ears(recognisers, detector),
            tts=self._mouth(voices),
            vad=detector,
            parts=(*recognisers, *voices),
        )

    def providers(self) -> tuple[ProviderState, ...]:
        """Who hears and speaks, in the order of use, for logs and operators. No keys, no addresses."""
        settings = self._settings
        models = {
            ("stt", "deepgram"): settings.deepgram_stt_model,
            ("stt", "openai"): settings.openai_stt_model,
            ("stt", "local"): "pocketsphinx",
            ("tts", "deepgram"): settings.deepgram_tts_model,
            ("tts", "openai"): settings.openai_tts_model,
            ("tts", "elevenlabs"): settings.elevenlabs_model,
            ("tts", "local"): "espeak-ng",
        }
        return tuple(
            ProviderState(ledger.part, provider, models[ledger.part, provider], not ledger.roster.out(place))
            for ledger in (self._hearing, self._speaking)
            for place, provider in enumerate(ledger.providers)
        )

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _terms(self, property_id: str) -> tuple[str, ...]:
        return self._keyterms.get(property_id, self._keyterms.get("*", ()))

    def _ears(self, recognisers: list[stt.STT[Any]], detector: vad.VAD) -> stt.STT[Any]:
        if self._stt_order == (SttProvider.LOCAL,):
            return recognisers[0]
        hearings = [
            Hearing(
                recogniser if recogniser.capabilities.streaming else stt.StreamAdapter(stt=recogniser, vad=detector),
                None if provider is SttProvider.LOCAL else self._settings.speech_patience_s,
            )
            for provider, recogniser in zip(self._stt_order, recognisers, strict=True)
        ]
        return RelaySTT(hearings, self._hearing, detector)

    def _mouth(self, voices: list[tts.TTS[Any]]) -> tts.TTS[Any]:
        if self._tts_order == (TtsProvider.LOCAL,):
            return voices[0]
        voicings = [
            Voicing(voice, None if provider is TtsProvider.LOCAL else self._settings.speech_patience_s)
            for provider, voice in zip(self._tts_order, voices, strict=True)
        ]
        return RelayTTS(voicings, self._speaking)

    def _stt(self, provider: SttProvider, terms: tuple[str, ...]) -> stt.STT[Any]:
        settings = self._settings
        match provider:
            case SttProvider.DEEPGRAM:
                knows_terms = settings.deepgram_stt_model.startswith("nova-3")
                return deepgram.STT(
                    model=settings.deepgram_stt_model,
                    language=settings.language,
                    interim_results=True,
                    keyterm=list(terms) if terms and knows_terms else NOT_GIVEN,
                    api_key=settings.deepgram_api_key.get_secret_value(),
                    base_url=f"{settings.deepgram_base_url}/v1/listen",
                    http_session=self._http,
                )
            case SttProvider.OPENAI:
                # The plugin would leave a client of its own open.
                client = AsyncClient(
                    api_key=settings.speech_key().get_secret_value(), base_url=settings.speech_url(), max_retries=0
                )
                recogniser = openai.STT(
                    model=settings.openai_stt_model,
                    language=settings.language.split("-")[0],
                    prompt=as_prompt(terms) or NOT_GIVEN,
                    client=client,
                    use_realtime=False,
                )
                return BoundedSTT(recogniser, settings.speech_patience_s * _RECOGNITION_FACTOR, client.close)
            case SttProvider.LOCAL:
                return SphinxSTT(self._pools[terms], inference.VAD(min_silence_duration=_UTTERANCE_SILENCE_S))

    def _tts(self, provider: TtsProvider) -> tts.TTS[Any]:
        settings = self._settings
        match provider:
            case TtsProvider.OPENAI:
                return openai.TTS(
                    model=settings.openai_tts_model,
                    voice=settings.openai_tts_voice,
                    api_key=settings.speech_key().get_secret_value(),
                    base_url=settings.speech_url(),
                    response_format="pcm",
                )
            case TtsProvider.ELEVENLABS:
                return elevenlabs.TTS(
                    voice_id=settings.elevenlabs_voice_id,
                    model=settings.elevenlabs_model,
                    api_key=settings.elevenlabs_api_key.get_secret_value(),
                    base_url=settings.elevenlabs_base_url,
                    # MP3 would be decoded first; and numbers in captions are to be as the brain wrote them.
                    encoding="pcm_24000",
                    preferred_alignment="original",
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


def _check_keys(settings: SpeechSettings, wanted: set[SttProvider | TtsProvider]) -> None:
    own = "BOTEL_OPENAI_SPEECH_API_KEY" if settings.openai_speech_base_url else "OPENAI_API_KEY"
    keys = {
        "deepgram": ("DEEPGRAM_API_KEY", settings.deepgram_api_key),
        "openai": (own, settings.speech_key()),
        "elevenlabs": ("ELEVENLABS_API_KEY", settings.elevenlabs_api_key),
    }
    for provider in sorted(wanted):
        name, key = keys.get(provider.value, ("", None))
        if key is not None and not key.get_secret_value():
            raise VoiceUnavailable(f"{provider.value} is wanted for speech and {name} is not set")
