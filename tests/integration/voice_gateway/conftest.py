"""Fixtures of the voice gateway's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.voice_gateway.settings import SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import Speech, SpeechFactory


@pytest.fixture
def espeak() -> Espeak:
    return Espeak()


@pytest.fixture
async def speech() -> AsyncIterator[Speech]:
    """Keyless speech for one call."""
    async with aiohttp.ClientSession() as http:
        factory = SpeechFactory(SpeechSettings(stt="local", tts="local"), http)
        factory.warm()
        yield factory.speech()
        factory.close()
