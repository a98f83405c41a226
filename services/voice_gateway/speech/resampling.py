"""One PCM rate into another, well enough for a recogniser (soxr, as LiveKit ships it)."""

from __future__ import annotations

from livekit import rtc


def resample(pcm: bytes, rate: int, to_rate: int) -> bytes:
    """PCM16LE mono at another rate. Interpolating naively instead makes recognised speech unusable."""
    if rate == to_rate or not pcm:
        return pcm
    resampler = rtc.AudioResampler(rate, to_rate, quality=rtc.AudioResamplerQuality.VERY_HIGH)
    frame = rtc.AudioFrame(pcm, rate, 1, len(pcm) // 2)
    return b"".join(bytes(part.data) for part in [*resampler.push(frame), *resampler.flush()])
