"""Files of sound in and out."""

import wave
from pathlib import Path

import numpy as np
import pytest

from deploy.call.microphone import SAMPLE_RATE
from deploy.call.voice import read_wav, write_wav


def wav(path: Path, samples: bytes, *, rate: int, channels: int, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setframerate(rate)
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.writeframes(samples)
    return path


def test_the_first_channel_at_the_microphones_rate(tmp_path: Path) -> None:
    left = np.full(48_000, 1_000, dtype="<i2")
    both = np.stack([left, -left], axis=1).tobytes()

    pcm = np.frombuffer(read_wav(wav(tmp_path / "a.wav", both, rate=48_000, channels=2)), dtype="<i2")

    assert abs(pcm.size - SAMPLE_RATE) < SAMPLE_RATE // 50
    assert abs(int(pcm[pcm.size // 2]) - 1_000) < 20


def test_both_sides_of_a_call_are_written_however_long_each(tmp_path: Path) -> None:
    write_wav(tmp_path / "call.wav", np.full(4, 7, dtype="<i2").tobytes(), np.full(6, 9, dtype="<i2").tobytes())

    with wave.open(str(tmp_path / "call.wav")) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (2, SAMPLE_RATE, 2)
        frames = np.frombuffer(sound.readframes(100), dtype="<i2").reshape(-1, 2)
    assert frames[:, 0].tolist() == [7, 7, 7, 7, 0, 0]
    assert frames[:, 1].tolist() == [9] * 6


def test_what_is_no_sound_of_16_bits_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(ValueError, match="no WAV file"):
        read_wav(tmp_path / "text.wav")
    with pytest.raises(ValueError, match="8 bits"):
        read_wav(wav(tmp_path / "old.wav", bytes(100), rate=8_000, channels=1, width=1))
