"""The two sides of a call in real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from livekit import rtc

from services.voice_gateway.audio import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    MAX_BUFFER_S,
    SAMPLE_RATE,
    Microphone,
    Overrun,
    PlayoutWhat,
    Speaker,
)

LOUD = b"\x01\x10"


def frame(ms: int, sample: bytes = LOUD, rate: int = SAMPLE_RATE) -> rtc.AudioFrame:
    samples = rate * ms // 1000
    return rtc.AudioFrame(sample * samples, rate, 1, samples)


class Playing:
    """A speaker that plays, and what it played."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self.told: list[tuple[PlayoutWhat, int]] = []
        self._changed = asyncio.Event()
        self.speaker = Speaker(self.audio.extend, self._tell)
        self.finished: list[tuple[float, bool]] = []
        self.speaker.on(
            "playback_finished", lambda event: self.finished.append((event.playback_position, event.interrupted))
        )

    def _tell(self, what: PlayoutWhat, position: int, segment: int) -> None:
        self.told.append((what, position))
        self._changed.set()

    async def until(self, what: PlayoutWhat) -> int:
        async with asyncio.timeout(30):
            while True:
                for told, position in self.told:
                    if told == what:
                        return position
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def playing() -> AsyncIterator[Playing]:
    stage = Playing()
    task = asyncio.create_task(stage.speaker.run())
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_segment_is_played_where_it_says() -> None:
    async with playing() as stage:
        await stage.speaker.capture_frame(frame(90))
        stage.speaker.flush()
        await stage.until("finished")
    (_, start), (_, end) = stage.told
    assert end - start == 5 * FRAME_SAMPLES
    assert bytes(stage.audio[start * 2 : start * 2 + SAMPLE_RATE * 90 // 1000 * 2]) == LOUD * (SAMPLE_RATE * 90 // 1000)
    assert not any(stage.audio[: start * 2])
    assert stage.finished == [(0.09, False)]


async def test_a_cut_stops_at_once_and_tells_how_much_was_played() -> None:
    async with playing() as stage:
        await stage.speaker.capture_frame(frame(2_000))
        await stage.until("started")
        stage.speaker.pause()
        paused = await stage.until("paused")
        stage.speaker.flush()
        stage.speaker.clear_buffer()
        assert stage.finished == [], "not before those who forward the text are through"
        await asyncio.wait_for(stage.speaker.wait_for_playout(), 30)
        stage.speaker.resume()
        start = stage.told[0][1]
        [(played_s, interrupted)] = stage.finished
    assert interrupted
    assert played_s * SAMPLE_RATE == pytest.approx(paused - start, abs=FRAME_SAMPLES)
    assert not any(stage.audio[(paused + FRAME_SAMPLES) * 2 :])


async def test_a_pause_is_silence_and_nothing_is_lost_over_it() -> None:
    async with playing() as stage:
        await stage.speaker.capture_frame(frame(100))
        stage.speaker.flush()
        await stage.until("started")
        stage.speaker.pause()
        held = len(stage.audio)
        await look_until(lambda: len(stage.audio) >= held + 5 * FRAME_BYTES)
        stage.speaker.resume()
        await stage.until("finished")
    assert stage.audio.count(LOUD) == SAMPLE_RATE // 10
    assert stage.finished == [(0.1, False)]


async def test_sound_begins_before_the_next_beat_with_more_than_one_frame() -> None:
    # given a speaker whose clock does not beat
    stage = Playing()

    # when
    await stage.speaker.capture_frame(frame(100))
    await stage.until("started")

    # then a late event loop tears no hole behind the first frame
    assert bytes(stage.audio) == LOUD * FRAME_SAMPLES * 2


async def look_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.005)


def _later(speaker: Speaker, frames: int) -> Callable[[], bool]:
    over = speaker.position + frames * FRAME_SAMPLES
    return lambda: speaker.position >= over


async def test_what_went_out_early_does_not_let_positions_run_ahead_of_the_call() -> None:
    async with playing() as silent, playing() as stage:
        # when sounds come with silence between them
        for _ in range(10):
            stage.told.clear()
            await stage.speaker.capture_frame(frame(40))
            stage.speaker.flush()
            await stage.until("finished")
            await look_until(_later(silent.speaker, 4))

        # then
        await look_until(lambda: abs(stage.speaker.position - silent.speaker.position) <= 2 * FRAME_SAMPLES)
    assert stage.audio.count(LOUD) == 10 * SAMPLE_RATE * 40 // 1000


async def test_audio_of_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="24000"):
        await Speaker(bytearray().extend).capture_frame(frame(20, rate=24_000))


async def test_the_microphone_carries_silence_where_nobody_speaks() -> None:
    heard = bytearray()
    microphone = Microphone(heard.extend)
    await anext(microphone)
    microphone.feed(LOUD * FRAME_SAMPLES * 4)
    frames = [bytes((await anext(microphone)).data) for _ in range(6)]
    assert frames[:4] == [LOUD * FRAME_SAMPLES] * 4
    assert not any(b"".join(frames[4:]))
    assert len(heard) == 7 * FRAME_BYTES
    assert microphone.position == 7 * FRAME_SAMPLES
    microphone.close()
    with pytest.raises(StopAsyncIteration):
        await anext(microphone)


@pytest.mark.parametrize("pcm", [b"\x00", bytes(MAX_BUFFER_S * SAMPLE_RATE * 2 + 2)])
async def test_a_sender_out_of_bounds_is_stopped(pcm: bytes) -> None:
    with pytest.raises(Overrun):
        Microphone().feed(pcm)
