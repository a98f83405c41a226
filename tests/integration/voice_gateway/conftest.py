"""Fixtures of the voice gateway's tests."""

from __future__ import annotations

import pytest

from services.voice_gateway.speech.espeak import Espeak


@pytest.fixture
def espeak() -> Espeak:
    return Espeak()
