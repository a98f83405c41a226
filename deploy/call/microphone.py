"""A microphone that is never off: what there is to say, in real time, and silence before, between and after."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from livekit import rtc

from deploy.call.recording import Recording, Span

SAMPLE_RATE = 16_000
FRAME_S = 0.02
_FRAME_BYTES = round(SAMPLE_RATE * FRAME_S) * 2
_LEAD_S = 0.06
"""How much lies ready: a busy machine does not tear holes into what is said."""
_QUEUE_MS = 200


class LineDead(RuntimeError):
    """What was to be said did not get out: the call has ended."""


class Microphone:
    """PCM16LE mono at SAMPLE_RATE. `publish` it once per connection."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.spoken = Recording(SAMPLE_RATE)
        """What was said, silence left out, by the time at which it went out."""
        self._clock = clock
        self._mouth: deque[bytes] = deque()
        self._said = 0
        """Frames that went out of those that were to be said."""
        self._began: dict[int, float] = {}
        """When the frame of that number went out, for those that somebody asks about; 0 until it has."""
        self._silent = asyncio.Event()
        self._silent.set()
        self._source: rtc.AudioSource | None = None
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, room: rtc.Room) -> None:
        """Be heard in this room. Raises `rtc.PublishTrackError`."""
        self._source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=_QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        self._sending = asyncio.create_task(self._keep_sending(self._source))
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)

    async def close(self) -> None:
        """Be silent; what was not said yet is not said. Safe twice."""
        if self._sending:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._mouth.clear()
        if self._source:
            await self._source.aclose()
            self._source = None

    def feed(self, pcm: bytes) -> None:
        """Say this as soon as all before it has been said; returns at once."""
        if pcm:
            self._silent.clear()
            self._mouth.extend(pcm[at : at + _FRAME_BYTES] for at in range(0, len(pcm), _FRAME_BYTES))

    def hush(self) -> None:
        """Say no more of what was begun."""
        self._mouth.clear()

    async def say(self, pcm: bytes) -> Span:
        """Say this; when its first and its last sample went out. `LineDead` when they did not."""
        if self._sending is None:
            raise LineDead("there is no call")
        first = self._said + len(self._mouth)
        self._began[first] = 0.0
        self.feed(pcm)
        silent = asyncio.create_task(self._silent.wait())
        try:
            await asyncio.wait([silent, self._sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            silent.cancel()
            start = self._began.pop(first, 0.0)
        if not self._silent.is_set():
            raise LineDead("the call ended in the middle of a sentence")
        end = self.spoken.span.end_s
        return Span(start or end, end)  # nothing of it went out if it was hushed before

    async def _keep_sending(self, source: rtc.AudioSource) -> None:
        due = time.monotonic() - _LEAD_S
        while True:
            frame = self._mouth.popleft() if self._mouth else b""
            if frame:
                out_s = self._clock() + source.queued_duration + len(frame) / 2 / SAMPLE_RATE
                self.spoken.write("guest", out_s, frame)
                if self._said in self._began:
                    self._began[self._said] = out_s - len(frame) / 2 / SAMPLE_RATE
                self._said += 1
            if not self._mouth:
                self._silent.set()
            whole = frame.ljust(_FRAME_BYTES, b"\0")
            await source.capture_frame(rtc.AudioFrame(whole, SAMPLE_RATE, 1, _FRAME_BYTES // 2))
            due = max(due + FRAME_S, time.monotonic() - _LEAD_S)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
