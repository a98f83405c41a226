"""Every class that reads settings, and who uses it."""

from __future__ import annotations

from typing import NamedTuple

from pydantic_settings import BaseSettings

from libs.bus.settings import BusSettings
from libs.observability.settings import ObservabilitySettings
from libs.observability.tracing import TracingSettings
from libs.rooms import RoomSettings
from libs.web.api_keys import ApiKeySettings
from libs.web.rates import RateSettings
from services.brain.settings import BrainSettings, ModelSettings
from services.context_store.settings import StoreSettings
from services.text_gateway.settings import TextSettings, VoiceSessionSettings
from services.voice_gateway.settings import CallSettings, GatewaySettings, SpeechSettings
from services.voice_gateway.watchdog import WatchdogSettings


class Section(NamedTuple):
    """Settings that belong together. `who`: the services that read them."""

    title: str
    who: str
    settings: type[BaseSettings]


SECTIONS = (
    Section("Bus", "every service", BusSettings),
    Section("Logs, health and metrics", "every service", ObservabilitySettings),
    Section("Traces", "every service", TracingSettings),
    Section("API keys", "text_gateway, context_store", ApiKeySettings),
    Section("Rates", "text_gateway, context_store", RateSettings),
    Section("LiveKit", "voice_gateway, text_gateway", RoomSettings),
    Section("Brain", "brain", BrainSettings),
    Section("Model", "brain", ModelSettings),
    Section("Text gateway", "text_gateway", TextSettings),
    Section("Voice sessions", "text_gateway", VoiceSessionSettings),
    Section("Voice gateway", "voice_gateway", GatewaySettings),
    Section("Calls", "voice_gateway", CallSettings),
    Section("Speech", "voice_gateway", SpeechSettings),
    Section("Watchdog", "voice_gateway", WatchdogSettings),
    Section("Context store", "context_store", StoreSettings),
)
