"""A call's two sides in a LiveKit room.

The guest's side and the captions are LiveKit's own; the concierge's side is the same `Speaker` that plays at the audio
door, so that what was heard is counted sample by sample in both places: LiveKit's output for rooms holds 200 ms that a
pause throws away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions, TextOutputOptions

from services.voice_gateway.audio import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Captions, OnPlayout, Speaker
from services.voice_gateway.line import LineQuality, WordsHook

_log = logging.getLogger(__name__)
_QUEUE_MS = 100
"""Audio on its way into the track: what a late event loop may cost before the guest hears a gap."""
_QUIET_FRAMES = 10
"""Silence sent after the last sound; then nothing, which the track fills with silence by itself."""
_SUBSCRIBED_WITHIN_S = 3.0
_ON_THE_WAY_S = 0.2
"""From the track to the guest's ear: the network and the buffer against its jitter."""
_LAST_WORDS_S = 0.6
_STATS_EVERY_S = 5.0
_STATS_WITHIN_S = 2.0


class RoomLine:
    """Implements `line.Line`. `guest` is the identity of the participant who is listened to: nobody else is heard."""

    def __init__(self, room: rtc.Room, guest: str) -> None:
        self._room, self._guest = room, guest
        self._source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=_QUEUE_MS)
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._quiet = 0
        self.speaker = Speaker(self._send)
        self._tasks: list[asyncio.Task[None]] = []
        self._quality = LineQuality()
        self.broken = asyncio.Event()
        """The guest hears nothing any more: somebody else should take the call."""

    @property
    def position(self) -> int:
        return self.speaker.position

    @property
    def quality(self) -> LineQuality:
        return self._quality

    async def start(
        self, session: AgentSession[None], agent: Agent, on_playout: OnPlayout, on_words: WordsHook
    ) -> None:
        """Publish the concierge's track, wait for the guest's ears, and begin."""
        self.speaker.on_playout = on_playout
        track = rtc.LocalAudioTrack.create_audio_track("concierge", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        publication = await self._room.local_participant.publish_track(track, options)
        session.output.audio = self.speaker
        for work in (self.speaker.run(), self._forward(), self._watch()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._done)
            self._tasks.append(task)
        with contextlib.suppress(TimeoutError):  # what is said before goes to nobody
            await asyncio.wait_for(publication.wait_for_subscription(), _SUBSCRIBED_WITHIN_S)
        await session.start(
            agent,
            room=self._room,
            room_options=RoomOptions(
                text_input=False,
                # Without what LiveKit takes as audio from before the call: anybody in the room may send it.
                audio_input=AudioInputOptions(sample_rate=SAMPLE_RATE, frame_size_ms=FRAME_MS, pre_connect_audio=False),
                audio_output=False,
                text_output=TextOutputOptions(next_in_chain=Captions(on_words)),
                participant_identity=self._guest,
                close_on_disconnect=False,
            ),
            # By default anybody in the room may read along and speak for the guest, and sessions are recorded.
            session_host=False,
            record=False,
        )

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._played(), _LAST_WORDS_S)
        if self._room.isconnected():
            with contextlib.suppress(Exception):  # what was seen before counts
                await self._look()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._source.aclose()

    async def _played(self) -> None:
        """Returns when the guest should have heard all that was sent: what is on its way then is lost with the room."""
        if self.broken.is_set() or not self._room.isconnected():
            return
        await self._frames.join()
        await self._source.wait_for_playout()
        await asyncio.sleep(_ON_THE_WAY_S)

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _log.error("the concierge's side broke", extra={"error": type(error).__name__})
            _log.debug("the concierge's side broke here", exc_info=error)
            self.broken.set()

    def _send(self, pcm: bytes) -> None:
        self._quiet = 0 if any(pcm) else self._quiet + 1
        if self._quiet <= _QUIET_FRAMES:
            self._frames.put_nowait(pcm)

    async def _forward(self) -> None:
        while True:
            pcm = await self._frames.get()
            await self._source.capture_frame(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, FRAME_SAMPLES))
            self._frames.task_done()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_STATS_EVERY_S)
            try:
                await self._look()
            except Exception as error:  # the SDK raises bare exceptions; the figures are not worth a call
                _log.debug("no figures of the line", extra={"error": type(error).__name__})

    async def _look(self) -> None:
        stats = await asyncio.wait_for(self._room.get_rtc_stats(), _STATS_WITHIN_S)
        lost = received = 0
        jitter = 0.0
        for one in (*stats.publisher_stats, *stats.subscriber_stats):  # one connection may serve both ways
            if one.WhichOneof("stats") != "inbound_rtp" or one.inbound_rtp.stream.kind != "audio":
                continue
            lost += max(0, one.inbound_rtp.received.packets_lost)
            received += one.inbound_rtp.received.packets_received
            jitter = max(jitter, one.inbound_rtp.received.jitter * 1000)
        if lost + received:
            self._quality = LineQuality(
                packets=received,
                packet_loss=round(lost / (lost + received), 4),
                jitter_ms=round(max(jitter, self._quality.jitter_ms), 1),
            )
