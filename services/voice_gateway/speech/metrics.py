"""Providers that fail and come back, as a metric."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from libs.observability import names
from services.voice_gateway.speech.failure import ProviderChange


class SpeechMetrics:
    """A `ProviderWatch` that counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._changes = Counter(
            names.SPEECH_PROVIDER_CHANGES,
            "Speech providers that failed or came back",
            ["part", "provider", "outcome"],
            registry=registry,
        )

    def __call__(self, change: ProviderChange) -> None:
        self._changes.labels(change.part, change.provider, "back" if change.works else "failed").inc()
