"""The voice of a guest who has none at hand: synthesised, at the microphone's rate."""

from __future__ import annotations

import wave
from pathlib import Path

from deploy.call.microphone import SAMPLE_RATE
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample

GUEST = Voice("en-us+m6", 150)
MAX_WAV_BYTES = 50_000_000


def spoken(line: str, voice: Voice = GUEST) -> bytes:
    """PCM16LE mono at SAMPLE_RATE. Raises `VoiceUnavailable` without eSpeak NG."""
    said = Espeak().synthesise(line, voice)
    return resample(said.pcm, said.sample_rate, SAMPLE_RATE)


def read_wav(path: Path) -> bytes:
    """A WAV file of 16 bits as PCM16LE mono at SAMPLE_RATE; of several channels, the first. ValueError for another."""
    if path.stat().st_size > MAX_WAV_BYTES:
        raise ValueError(f"{path}: {MAX_WAV_BYTES // 1_000_000} MB at most")
    try:
        with wave.open(str(path), "rb") as sound:
            width, channels, rate = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
            frames = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: no WAV file: {error}") from error
    if width != 2:
        raise ValueError(f"{path}: {width * 8} bits a sample; 16 are needed")
    first = memoryview(frames).cast("h")[::channels].tobytes()
    return resample(first, rate, SAMPLE_RATE)


def write_wav(path: Path, left: bytes, right: bytes) -> None:
    """Both sides of a call: the guest on the left, the concierge on the right."""
    samples = max(len(left), len(right)) // 2
    both = memoryview(bytearray(samples * 4)).cast("h")
    for channel, pcm in enumerate((left, right)):
        side = memoryview(pcm).cast("h")
        both[channel : 2 * len(side) : 2] = side
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(both.tobytes())
