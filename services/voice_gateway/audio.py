"""A call's two sides in real time, without a room: 16 kHz mono PCM16LE in frames of 20 ms.

Both sides run by the same clock from the start of the call and never pause: where nobody speaks they carry silence, so
a sample's position is its time in the call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from livekit import rtc
from livekit.agents.voice import io

SAMPLE_RATE = 16_000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
MAX_BUFFER_S = 10
_CUSHION_FRAMES = 3
"""Frames gathered before playing on after a gap, against jitter of the sender."""
_LEAD_FRAMES = 2
"""Frames that go out at once when sound begins: it does not wait for the next beat, and a late event loop tears no hole
into the first word. While nothing plays as many beats are skipped."""

Sink = Callable[[bytes], None]
PlayoutWhat = Literal["started", "paused", "resumed", "finished", "cut"]
OnPlayout = Callable[[PlayoutWhat, int, int], None]
"""What happened, at which sample, in which segment."""


class Overrun(ValueError):
    """The sender is far ahead of real time."""


class _Metronome:
    """Ticks every frame; after a stall it catches up, so that positions stay true to time."""

    def __init__(self) -> None:
        self._start = 0.0
        self._ticks = 0

    async def tick(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._start:
            self._start = loop.time()
        self._ticks += 1
        await asyncio.sleep(max(0.0, self._start + self._ticks * FRAME_MS / 1000 - loop.time()))


class Microphone(io.AudioInput):
    """The guest's side. `feed` takes audio as it arrives; `tap` sees what the call hears, silence included."""

    def __init__(self, tap: Sink | None = None) -> None:
        super().__init__(label="Microphone")
        self._buffer = bytearray()
        self._tap = tap
        self._clock = _Metronome()
        self._cushioned = False
        self._closed = False
        self.position = 0
        """Samples handed to the call."""

    @property
    def waiting_ms(self) -> int:
        """Audio fed and not yet heard."""
        return len(self._buffer) * 1000 // (SAMPLE_RATE * 2)

    def feed(self, pcm: bytes) -> None:
        """Add audio; `Overrun` when more than MAX_BUFFER_S wait or half a sample is sent."""
        if len(pcm) % 2:
            raise Overrun("half a sample")
        if len(self._buffer) + len(pcm) > MAX_BUFFER_S * SAMPLE_RATE * 2:
            raise Overrun(f"more than {MAX_BUFFER_S} s ahead of real time")
        self._buffer += pcm

    def close(self) -> None:
        self._closed = True

    async def __anext__(self) -> rtc.AudioFrame:
        await self._clock.tick()
        if self._closed:
            raise StopAsyncIteration
        pcm = self._next()
        self.position += FRAME_SAMPLES
        if self._tap:
            self._tap(pcm)
        return rtc.AudioFrame(pcm, SAMPLE_RATE, 1, FRAME_SAMPLES)

    def _next(self) -> bytes:
        if not self._cushioned and len(self._buffer) >= _CUSHION_FRAMES * FRAME_BYTES:
            self._cushioned = True
        if not self._cushioned:
            return bytes(FRAME_BYTES)
        pcm = bytes(self._buffer[:FRAME_BYTES])
        del self._buffer[:FRAME_BYTES]
        if len(pcm) < FRAME_BYTES:
            self._cushioned = False
            pcm += bytes(FRAME_BYTES - len(pcm))
        return pcm


class Speaker(io.AudioOutput):
    """The concierge's side: plays what it is given in real time into `sink` and tells where in the call it was."""

    def __init__(self, sink: Sink, on_playout: OnPlayout | None = None) -> None:
        super().__init__(label="Speaker", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=SAMPLE_RATE)
        self._sink = sink
        self.on_playout = on_playout
        self._clock = _Metronome()
        self._buffer = bytearray()
        self._paused = False
        self._captured = False
        self._flushed = False
        self._started = False
        self._played = 0
        self._segment = 0
        self._ahead = 0
        """Frames that went out before their time."""
        self.position = 0
        """Samples played since the call began, silence included."""

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            await self._clock.tick()
            self._beat()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if frame.sample_rate != SAMPLE_RATE or frame.num_channels != 1:
            raise ValueError(f"audio of {frame.sample_rate} Hz and {frame.num_channels} channels")
        self._captured, self._flushed = True, False
        self._buffer += bytes(frame.data)
        # Not at once: whoever gives the frame is still to keep account of it.
        asyncio.get_running_loop().call_soon(self._lead)

    def flush(self) -> None:
        super().flush()
        self._flushed = True

    def clear_buffer(self) -> None:
        self._buffer.clear()
        if self._captured:
            self._captured = False
            if self._started:
                self._tell("cut")
            # Not at once: whoever forwards the text is still to be told that its segment is over.
            asyncio.get_running_loop().call_soon(self._finish, True, self._take_played())

    def pause(self) -> None:
        super().pause()
        if not self._paused:
            self._paused = True
            if self._started:
                self._tell("paused")

    def resume(self) -> None:
        super().resume()
        if self._paused:
            self._paused = False
            if self._started:
                self._tell("resumed")
            asyncio.get_running_loop().call_soon(self._lead)

    def _lead(self) -> None:
        while self._ahead < _LEAD_FRAMES and len(self._buffer) >= FRAME_BYTES and not self._paused:
            self._ahead += 1
            self._tick()

    def _beat(self) -> None:
        """What is due now may be out already: then nothing is, unless there is more to play."""
        if self._ahead and (self._paused or not self._buffer):
            self._ahead -= 1
        else:
            self._tick()

    def _tick(self) -> None:
        pcm = b""
        if not self._paused and self._buffer:
            pcm = bytes(self._buffer[:FRAME_BYTES])
            del self._buffer[:FRAME_BYTES]
            if not self._started:
                self._started = True
                self._segment += 1
                self._tell("started")
                self.on_playback_started(created_at=time.time())
            self._played += len(pcm) // 2
        self._sink(pcm + bytes(FRAME_BYTES - len(pcm)))
        self.position += FRAME_SAMPLES
        if self._captured and self._flushed and not self._buffer and not self._paused:
            self._captured = False
            self._tell("finished")
            self._finish(False, self._take_played())

    def _take_played(self) -> float:
        played, self._played, self._started = self._played / SAMPLE_RATE, 0, False
        return played

    def _finish(self, interrupted: bool, played_s: float) -> None:
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)

    def _tell(self, what: PlayoutWhat) -> None:
        if self.on_playout:
            self.on_playout(what, self.position, self._segment)


class Captions(io.TextOutput):
    """Passes on the concierge's words as they are played."""

    def __init__(self, on_words: Callable[[str], None]) -> None:
        super().__init__(label="Captions", next_in_chain=None)
        self._on_words = on_words

    async def capture_text(self, text: str) -> None:
        self._on_words(text)

    def flush(self) -> None:
        """Nothing is held back."""
