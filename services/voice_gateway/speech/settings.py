"""Which speech providers are used, with which keys, and how long a guest waits for one."""

from __future__ import annotations

import enum
import json
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.voice_gateway.domain.keyterms import checked

_MAX_KEYTERM_CHARS = 262_144
_OPENAI = "://api.openai.com"


class SttProvider(enum.StrEnum):
    DEEPGRAM = "deepgram"
    OPENAI = "openai"
    """Any server that speaks OpenAI's transcription protocol."""
    LOCAL = "local"


class TtsProvider(enum.StrEnum):
    OPENAI = "openai"
    """Any server that speaks OpenAI's speech protocol."""
    ELEVENLABS = "elevenlabs"
    DEEPGRAM = "deepgram"
    LOCAL = "local"


def _checked(names: str, providers: type[enum.StrEnum]) -> str:
    """`ValueError` for a name that is none of them."""
    for name in (one.strip() for one in names.split(",")):
        if name and name not in {*providers}:
            raise ValueError(f"{name!r} is none of {', '.join(providers)}")
    return names


class SpeechSettings(BaseSettings):
    """Environment: BOTEL_STT and BOTEL_TTS, comma separated, the first that works is used; empty: what has a key, and
    local behind it. Keys and addresses by the providers' usual names."""

    model_config = SettingsConfigDict(
        frozen=True, env_prefix="BOTEL_", populate_by_name=True, extra="ignore", env_ignore_empty=True
    )

    stt: str = ""
    """Who hears: `deepgram`, `openai`, `local`, in order. Empty: what has a key, then local."""
    tts: str = ""
    """Who speaks: `openai`, `elevenlabs`, `deepgram`, `local`, in order. Empty: what has a key, then local."""
    deepgram_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="DEEPGRAM_API_KEY")
    """Deepgram's."""
    deepgram_base_url: str = Field(default="https://api.deepgram.com", validation_alias="DEEPGRAM_BASE_URL")
    """Another address of its API."""
    deepgram_stt_model: str = "nova-3"
    """The recogniser."""
    deepgram_tts_model: str = "aura-2-andromeda-en"
    """The voice."""
    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    """Chosen unasked only while OPENAI_BASE_URL is OpenAI's own; named in BOTEL_STT or BOTEL_TTS it is sent there."""
    openai_base_url: str = Field(default="https://api.openai.com/v1", validation_alias="OPENAI_BASE_URL")
    """Where OPENAI_API_KEY is sent."""
    openai_speech_api_key: SecretStr = SecretStr("")
    """The key of BOTEL_OPENAI_SPEECH_BASE_URL; any, if that asks for none."""
    openai_speech_base_url: str = ""
    """A speech server that is not the language model's. It has its own key and is never sent OPENAI_API_KEY."""
    openai_stt_model: str = "gpt-4o-mini-transcribe"
    """The recogniser."""
    openai_tts_model: str = "gpt-4o-mini-tts"
    """What speaks."""
    openai_tts_voice: str = "ash"
    """One of the model's voices."""
    elevenlabs_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="ELEVENLABS_API_KEY")
    """ElevenLabs's."""
    elevenlabs_base_url: str = Field(default="https://api.elevenlabs.io/v1", validation_alias="ELEVENLABS_BASE_URL")
    """Another address of its API."""
    elevenlabs_voice_id: str = "EXAVITQu4vr4xnSDxMaL"
    """A voice of the account."""
    elevenlabs_model: str = "eleven_turbo_v2_5"
    """What speaks."""
    local_voice: str = "en-us"
    """An eSpeak NG voice."""
    local_voice_rate: int = Field(default=165, ge=80, le=450)
    """Words a minute."""
    language: str = "en-US"
    """What guests speak, for recognisers: a BCP 47 tag."""
    keyterms: str = ""
    """Names that recognisers should know, by property: JSON {"harbour": ["Harbour View"]}, or the path of such a
    file. "*" stands for every property that is not named."""
    speech_patience_s: float = Field(default=3.0, gt=0, le=30)
    """How long a provider may take to connect, to answer the end of an utterance, or to go on with its audio, before
    the next one takes over."""
    speech_rest_s: float = Field(default=15.0, gt=0)
    """How long a provider that failed is left alone before it is tried again; doubled after every failed trial."""

    @field_validator("stt")
    @classmethod
    def _known_ears(cls, names: str) -> str:
        return _checked(names, SttProvider)

    @field_validator("tts")
    @classmethod
    def _known_voices(cls, names: str) -> str:
        return _checked(names, TtsProvider)

    def stt_order(self) -> tuple[SttProvider, ...]:
        """Raises ValueError for an unknown name."""
        if self.stt.strip():
            return tuple(dict.fromkeys(SttProvider(name.strip()) for name in self.stt.split(",")))
        keyed = [(SttProvider.DEEPGRAM, self._has(self.deepgram_api_key)), (SttProvider.OPENAI, self._has_openai())]
        return (*(provider for provider, has in keyed if has), SttProvider.LOCAL)

    def tts_order(self) -> tuple[TtsProvider, ...]:
        """Raises ValueError for an unknown name."""
        if self.tts.strip():
            return tuple(dict.fromkeys(TtsProvider(name.strip()) for name in self.tts.split(",")))
        keyed = [
            (TtsProvider.OPENAI, self._has_openai()),
            (TtsProvider.ELEVENLABS, self._has(self.elevenlabs_api_key)),
            (TtsProvider.DEEPGRAM, self._has(self.deepgram_api_key)),
        ]
        return (*(provider for provider, has in keyed if has), TtsProvider.LOCAL)

    def speech_key(self) -> SecretStr:
        """The key of the OpenAI-compatible speech server."""
        if self.openai_speech_base_url or self._has(self.openai_speech_api_key):
            return self.openai_speech_api_key
        return self.openai_api_key

    def speech_url(self) -> str:
        return self.openai_speech_base_url or self.openai_base_url

    def keyterms_of(self) -> dict[str, tuple[str, ...]]:
        """By property, "*" for the others. Raises ValueError for what does not parse or goes past the limits."""
        text = self.keyterms.strip()
        if not text:
            return {}
        if not text.startswith("{"):
            with Path(text).expanduser().open(encoding="utf-8") as file:
                text = file.read(_MAX_KEYTERM_CHARS + 1)
        if len(text) > _MAX_KEYTERM_CHARS:
            raise ValueError(f"more than {_MAX_KEYTERM_CHARS} characters of key terms")
        found = json.loads(text)
        if not isinstance(found, dict) or not all(isinstance(terms, list) for terms in found.values()):
            raise ValueError('key terms are JSON of the form {"property": ["name"]}')
        return {str(name): checked(terms) for name, terms in found.items()}

    def _has_openai(self) -> bool:
        """Chosen unasked only where speech is to be expected: not at the address of somebody else's language model."""
        return self._has(self.speech_key()) and (bool(self.openai_speech_base_url) or _OPENAI in self.openai_base_url)

    @staticmethod
    def _has(key: SecretStr) -> bool:
        return bool(key.get_secret_value())
