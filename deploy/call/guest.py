"""A guest in a room: an rtc participant with a microphone that is never off, ears that note what they heard when, and
a keyboard.

    async with RoomGuest() as guest:
        await guest.join(url, token)
        await guest.speech()  # the greeting
        said = await guest.say(pcm)
        answer = await guest.speech(said.end_s)

Times are seconds of `clock`, the wall's unless another is given. What is heard has been through the real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeVar

from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from deploy.call.microphone import SAMPLE_RATE, LineDead, Microphone
from deploy.call.recording import SPEECH_PAUSE_S, Recording, Span

T = TypeVar("T")

CHAT, TRANSCRIPTION = "lk.chat", "lk.transcription"
_FINAL, _SEGMENT = "lk.transcription_final", "lk.segment_id"
_EAR_MS = 10
_LOOK_S = 0.05

Hears = Callable[[rtc.RemoteParticipant], bool]


class CallFailed(RuntimeError):
    """The call could not be placed, broke off, or what was waited for did not come."""


class Mouth(Protocol):
    """What is heard of the guest."""

    async def publish(self, room: rtc.Room) -> None: ...

    async def close(self) -> None: ...


class Text(NamedTuple):
    """Something to read: a chat message, or the transcript of what somebody says."""

    topic: str
    sender: str
    """Identity of who wrote, or of who spoke: a guest's own words come back as transcripts."""
    text: str
    final: bool
    segment: str
    """Transcripts of one segment replace each other until one is final."""
    at_s: float


def agents(participant: rtc.RemoteParticipant) -> bool:
    """Hears concierges only, whichever serves the call."""
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


def everyone(_: rtc.RemoteParticipant) -> bool:
    return True


class RoomGuest:
    """`async with RoomGuest()`; `join` places the call, leaving the block hangs up."""

    def __init__(
        self,
        *,
        mouth: Mouth | None = None,
        hears: Hears = agents,
        on_text: Callable[[Text], None] = lambda _: None,
        on_audio: Callable[[bytes], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`mouth` speaks instead of `say`. `on_audio` gets what is heard, as it comes: PCM16LE mono at SAMPLE_RATE."""
        self.microphone = Microphone(clock)
        """Says what it is given; `say` waits until it has."""
        self.heard = Recording(SAMPLE_RATE)
        """The concierge's side, kept over reconnections."""
        self.texts: list[Text] = []
        self.drops: list[str] = []
        """Why the connection ended, each time that it was not by `leave`."""
        self.room: rtc.Room | None = None
        self._mouth: Mouth = mouth or self.microphone
        self._hears, self._on_text, self._on_audio, self._clock = hears, on_text, on_audio, clock
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: set[str] = set()
        """Segments of which the final transcript has been read."""

    @property
    def connected(self) -> bool:
        return self.room is not None and self.room.isconnected()

    @property
    def concierges(self) -> list[str]:
        """Identities of those in the room whom the guest hears."""
        others = self.room.remote_participants.values() if self.room and self.connected else ()
        return [participant.identity for participant in others if self._hears(participant)]

    async def join(self, url: str, token: str) -> None:
        """Place the call, or come back into it. `CallFailed` when that cannot be."""
        await self.leave()
        self.room = rtc.Room()
        self.room.on("track_subscribed", self._listen_to)
        self.room.on("disconnected", self._dropped)
        self.room.register_text_stream_handler(CHAT, self._read_chat)
        self.room.register_text_stream_handler(TRANSCRIPTION, self._read_transcription)
        try:
            await self.room.connect(url, token)
            await self._mouth.publish(self.room)
        except (rtc.ConnectError, PublishTrackError) as error:
            await self.leave()
            raise CallFailed(f"the room cannot be joined: {error}") from error

    async def leave(self) -> None:
        """Hang up; safe when there is no call."""
        room, self.room = self.room, None
        await self._mouth.close()
        if room:
            await room.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def say(self, pcm: bytes) -> Span:
        """Speak, in real time; when the first and the last sample went out. `CallFailed` when the call ends before."""
        try:
            return await self.microphone.say(pcm)
        except LineDead as error:
            raise CallFailed(f"{error}; dropped: {self.drops}") from error

    async def write(self, text: str) -> None:
        """Type a message in the room."""
        if self.room is None:
            raise CallFailed("there is no call")
        await self.room.local_participant.send_text(text, topic=CHAT)

    async def until(self, condition: Callable[[], T | None], *, timeout_s: float, why: str) -> T:
        """What `condition` gives as soon as that is true. It is asked whenever something happens, and now and then.

        `CallFailed` with `why` when that takes longer.
        """
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                tail = [f"{text.sender}: {text.text}" for text in self.texts if text.final][-4:]
                raise CallFailed(f"{why}: not within {timeout_s:g} s; dropped: {self.drops}; last texts: {tail}")
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_S)
        return value

    async def voice(self, after_s: float = 0.0, *, timeout_s: float = 60.0, why: str = "nobody speaks") -> float:
        """When somebody began to speak after `after_s`, as soon as that can be heard."""
        return (await self._speech(after_s, None, timeout_s, why)).start_s

    async def speech(
        self, after_s: float = 0.0, *, pause_s: float = 1.0, timeout_s: float = 60.0, why: str = "nobody speaks"
    ) -> Span:
        """The first stretch of speech that began after `after_s`, once it is over: after it, nothing for `pause_s`."""
        return await self._speech(after_s, pause_s, timeout_s, why)

    async def _speech(self, after_s: float, over_s: float | None, timeout_s: float, why: str) -> Span:
        """`over_s`: the silence after it, None for speech that goes on. `CallFailed` also when the call ends before."""

        def found() -> Span | None:
            voiced = self.heard.voiced(after_s, pause_s=SPEECH_PAUSE_S if over_s is None else over_s)
            span = next((span for span in voiced if span.start_s >= after_s), None)
            if span and (over_s is None or self._clock() - span.end_s > over_s):
                return span
            if not span and self.drops and not self.connected:
                raise CallFailed(f"{why}: the call has ended: {self.drops[-1]}")
            return None

        return await self.until(found, timeout_s=timeout_s, why=why)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        await self.leave()

    def _listen_to(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and self._hears(participant):
            self._spawn(self._hear(track, publication.sid))

    async def _hear(self, track: rtc.Track, source: str) -> None:
        stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE, num_channels=1, frame_size_ms=_EAR_MS)
        try:
            async for event in stream:
                pcm = bytes(event.frame.data)
                self.heard.write(source, self._clock(), pcm)
                self._on_audio(pcm)
                self._news.set()
        finally:
            await stream.aclose()

    def _read_chat(self, reader: rtc.TextStreamReader, sender: str) -> None:
        self._spawn(self._read(CHAT, reader, sender))

    def _read_transcription(self, reader: rtc.TextStreamReader, sender: str) -> None:
        self._spawn(self._read(TRANSCRIPTION, reader, sender))

    async def _read(self, topic: str, reader: rtc.TextStreamReader, sender: str) -> None:
        written, whole = "", True
        try:
            async for part in reader:
                written += part
                if topic == TRANSCRIPTION:  # it comes as it is spoken, and is over when the speech is
                    self._note(reader, topic, sender, written, final=False)
        except rtc.StreamError:
            whole = False
        final = whole and (reader.info.attributes or {}).get(_FINAL, "true") == "true"
        self._note(reader, topic, sender, written, final=final)

    def _note(self, reader: rtc.TextStreamReader, topic: str, sender: str, written: str, *, final: bool) -> None:
        segment = (reader.info.attributes or {}).get(_SEGMENT, "")
        if segment and segment in self._over and not final:
            return  # an earlier transcript: streams are read side by side, and it was read later
        if final:
            self._over.add(segment)
        text = Text(topic, sender, written, final, segment, self._clock())
        self.texts.append(text)
        self._on_text(text)
        self._news.set()

    def _dropped(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if self.room is not None:
            self.drops.append(rtc.DisconnectReason.Name(reason))
        self._news.set()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
