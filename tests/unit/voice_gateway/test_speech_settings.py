"""Which provider is used first."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from services.voice_gateway.settings import SpeechSettings, SttProvider, TtsProvider


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "BOTEL_STT", "BOTEL_TTS"):
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
