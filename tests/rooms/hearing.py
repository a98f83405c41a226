"""What can be understood of recorded speech: PocketSphinx with the gateway's own corpus."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deploy.call.microphone import SAMPLE_RATE
from services.voice_gateway.speech.sphinx import Recogniser, prepare

_PAUSE = bytes(SAMPLE_RATE // 4 * 2)


def understood(pcm: bytes) -> str:
    """The words in PCM16LE mono at SAMPLE_RATE. Takes as long as a fraction of the speech: call it in a thread."""
    with tempfile.TemporaryDirectory() as folder:
        recogniser = Recogniser(prepare(Path(folder)))
        recogniser.start()
        recogniser.hear(_PAUSE + pcm + _PAUSE)
        return recogniser.finish().text
