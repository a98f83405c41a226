"""How a call's audio reaches its session. A room is another `Line`: the call does not know the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
from livekit.agents import Agent, AgentSession
from livekit.agents.voice.transcription.synchronizer import TranscriptSynchronizer

from services.voice_gateway.audio import Captions, Microphone, OnPlayout, Sink, Speaker

WordsHook = Callable[[str], None]
"""Told the concierge's words as they are played."""


class LineQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How the guest's side came through."""

    packets: int = 0
    """That came."""
    packet_loss: float = 0.0
    """Share of packets that never came, 0 to 1."""
    jitter_ms: float = 0.0
    """The greatest that was seen."""


class Line(Protocol):
    """Both sides of a call."""

    async def start(
        self, session: AgentSession[None], agent: Agent, on_playout: OnPlayout, on_words: WordsHook
    ) -> None:
        """Attach audio to the session and start it."""

    async def close(self) -> None: ...

    @property
    def position(self) -> int:
        """Samples of the concierge's side so far."""

    @property
    def quality(self) -> LineQuality:
        """As far as it is known; the last figures after `close`."""


class LocalLine:
    """Audio in and out in real time without a room: `microphone.feed` on one side, `sink` on the other."""

    def __init__(self, sink: Sink, tap: Sink | None = None) -> None:
        self.microphone = Microphone(tap)
        self.speaker = Speaker(sink)
        self._playing: asyncio.Task[None] | None = None
        self._synchronizer: TranscriptSynchronizer | None = None

    @property
    def position(self) -> int:
        return self.speaker.position

    @property
    def quality(self) -> LineQuality:
        return LineQuality()

    async def start(
        self, session: AgentSession[None], agent: Agent, on_playout: OnPlayout, on_words: WordsHook
    ) -> None:
        self.speaker.on_playout = on_playout
        # The synchronizer is what knows how far the guest has listened: without it an interrupted reply counts whole.
        self._synchronizer = TranscriptSynchronizer(
            next_in_chain_audio=self.speaker, next_in_chain_text=Captions(on_words)
        )
        session.input.audio = self.microphone
        session.output.audio = self._synchronizer.audio_output
        session.output.transcription = self._synchronizer.text_output
        self._playing = asyncio.create_task(self.speaker.run(), name="speaker")
        await session.start(agent)

    async def close(self) -> None:
        self.microphone.close()
        if self._synchronizer:
            await self._synchronizer.aclose()
        if self._playing:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
