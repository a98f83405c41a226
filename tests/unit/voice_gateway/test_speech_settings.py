"""Which provider is used first."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from services.voice_gateway.settings import SpeechSettings, SttProvider, TtsProvider


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DEEPGRAM_API_KEY",
        "OPENAI_API_KEY",
        "ELEVENLABS_API_KEY",
        "BOTEL_STT",
        "BOTEL_TTS",
        "BOTEL_KEYTERMS",
    ):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_speech_is_local() -> None:
    settings = SpeechSettings()
    assert settings.stt_order() == (SttProvider.LOCAL,)
    assert settings.tts_order() == (TtsProvider.LOCAL,)


def test_what_has_a_key_comes_first_and_local_stands_by() -> None:
    settings = SpeechSettings(deepgram_api_key=SecretStr("k"), openai_api_key=SecretStr("k"))
    assert settings.stt_order() == (SttProvider.DEEPGRAM, SttProvider.OPENAI, SttProvider.LOCAL)
    assert settings.tts_order() == (TtsProvider.OPENAI, TtsProvider.DEEPGRAM, TtsProvider.LOCAL)


def test_a_given_order_is_kept_and_a_wrong_name_is_told() -> None:
    assert SpeechSettings(stt="local, deepgram").stt_order() == (SttProvider.LOCAL, SttProvider.DEEPGRAM)
    with pytest.raises(ValueError, match="siri"):
        SpeechSettings(tts="siri").tts_order()


def test_a_name_given_twice_counts_once() -> None:
    assert SpeechSettings(tts="local,local").tts_order() == (TtsProvider.LOCAL,)


def test_somebody_elses_language_model_is_not_asked_to_speak() -> None:
    settings = SpeechSettings(openai_api_key=SecretStr("any"), openai_base_url="http://127.0.0.1:11434/v1")
    assert settings.stt_order() == (SttProvider.LOCAL,)
    assert settings.tts_order() == (TtsProvider.LOCAL,)


def test_a_speech_server_of_its_own_is_used_and_never_gets_the_language_models_key() -> None:
    settings = SpeechSettings(
        openai_api_key=SecretStr("llm"),
        openai_speech_base_url="http://127.0.0.1:8000/v1",
        openai_speech_api_key=SecretStr("own"),
    )
    assert settings.stt_order() == (SttProvider.OPENAI, SttProvider.LOCAL)
    assert settings.speech_url() == "http://127.0.0.1:8000/v1"
    assert settings.speech_key().get_secret_value() == "own"
    without = SpeechSettings(openai_api_key=SecretStr("llm"), openai_speech_base_url="http://127.0.0.1:8000/v1")
    assert without.speech_key().get_secret_value() == ""
