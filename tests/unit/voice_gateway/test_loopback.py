"""The audio door asks nobody who they are: it is for this machine."""

from __future__ import annotations

import pytest

from services.voice_gateway.app import _check_loopback
from services.voice_gateway.ports import VoiceUnavailable


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.2"])
def test_the_audio_door_is_for_this_machine(host: str) -> None:
    with pytest.raises(VoiceUnavailable, match="BOTEL_VOICE_HOST"):
        _check_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_at_home_it_opens(host: str) -> None:
    _check_loopback(host)
