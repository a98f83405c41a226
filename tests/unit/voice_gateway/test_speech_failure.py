"""What is told of a provider that fails: enough for an operator, and no secret."""

from __future__ import annotations

import logging

import pytest
from livekit.agents import APIConnectionError, APIError, APIStatusError
from prometheus_client import CollectorRegistry

from libs.observability import names
from services.voice_gateway.speech.failure import Ledger, ProviderChange, reason_of
from services.voice_gateway.speech.metrics import SpeechMetrics


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (APIStatusError("key sk-secret refused", status_code=401), "APIStatusError 401"),
        (APIConnectionError("wss://host?token=secret"), "APIConnectionError"),
        (caused(APIStatusError("Could not synthesize"), TimeoutError()), "TimeoutError"),
        (APIError("no audio frames were pushed for text: the guest's secret"), "APIError"),
        (ValueError("secret"), "ValueError"),
        (None, "Closed"),
    ],
)
def test_a_failure_is_told_by_its_kind_only(error: Exception | None, reason: str) -> None:
    assert reason_of(error) == reason


def test_changes_are_told_logged_and_counted_once_each(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    metrics, told = SpeechMetrics(registry), list[ProviderChange]()

    def watch(change: ProviderChange) -> None:
        told.append(change)
        metrics(change)

    ledger = Ledger("stt", ("deepgram", "local"), 10.0, watch)
    with caplog.at_level(logging.INFO):
        failure = ledger.failed(0, APIStatusError("secret", status_code=503))
        ledger.works(1)
        ledger.works(0)
        ledger.works(0)
    assert failure.kind == "deepgram: APIStatusError 503"
    assert told == [
        ProviderChange("stt", "deepgram", works=False, reason="APIStatusError 503"),
        ProviderChange("stt", "deepgram", works=True),
    ]
    assert "secret" not in caplog.text + repr(told) + str(failure)

    def count(outcome: str) -> float | None:
        labels = {"part": "stt", "provider": "deepgram", "outcome": outcome}
        return registry.get_sample_value(names.SPEECH_PROVIDER_CHANGES, labels)

    assert (count("failed"), count("back")) == (1, 1)
