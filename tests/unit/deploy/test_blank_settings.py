"""A line of .env without a value (`BOTEL_BUS_TLS_CA=`) is a setting that was not made, not one that is wrong."""

from __future__ import annotations

import pytest
from pydantic_settings import BaseSettings

from libs.bus.settings import BusSettings
from libs.observability.settings import ObservabilitySettings
from libs.web.rates import RateSettings
from services.brain.settings import BrainSettings, ModelSettings
from services.context_store.settings import StoreSettings
from services.text_gateway.settings import TextSettings, VoiceSessionSettings


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (BusSettings, ("REDIS_URL", "BOTEL_BUS_TLS_CA", "BOTEL_BUS_SHARDS")),
        (ObservabilitySettings, ("BOTEL_LOG_LEVEL", "BOTEL_SHOW_WORDS", "BOTEL_HEALTH_PORT")),
        (RateSettings, ("BOTEL_RATE_TURNS_PER_S",)),
        (ModelSettings, ("BRAIN_PRICE_INPUT", "BRAIN_PRICE_CACHED", "OPENAI_API_KEY")),
        (BrainSettings, ("BRAIN_DRAIN_S", "BRAIN_AGENT")),
        (StoreSettings, ("BOTEL_STORE_PORT", "BOTEL_STORE_DATABASE_URL", "BOTEL_STORE_RETIRE_AFTER_S")),
        (TextSettings, ("BOTEL_TEXT_PORT", "BOTEL_TEXT_STALL_S")),
        (VoiceSessionSettings, ("BOTEL_SESSION_TIMEOUT_S",)),
    ],
)
def test_a_setting_left_blank_was_not_made(
    settings: type[BaseSettings], names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = settings()
    for name in names:
        monkeypatch.setenv(name, "")
    assert settings() == usual
