"""PocketSphinx as a streaming LiveKit recogniser: the bundled voice activity detector cuts utterances, words come while
the guest speaks."""

from __future__ import annotations

import asyncio

from livekit.agents import stt, utils, vad
from livekit.agents.language import LanguageCode
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)
from livekit.agents.utils import AudioBuffer

from services.voice_gateway.speech.sphinx import SAMPLE_RATE, Recognised, Recogniser, RecogniserPool

_LANGUAGE = LanguageCode("en")
_STEP_BYTES = SAMPLE_RATE * 120 // 1000 * 2
"""Heard at once: 120 ms, about 10 ms of work."""


class SphinxSTT(stt.STT[str]):
    """Streaming with interim results. Confidence is per word, 0 to 1."""

    def __init__(self, pool: RecogniserPool, detector: vad.VAD) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(streaming=True, interim_results=True, offline_recognize=False)
        )
        self.pool = pool
        self.detector = detector

    @property
    def model(self) -> str:
        return "hotel-trigram"

    @property
    def provider(self) -> str:
        return "pocketsphinx"

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: NotGivenOr[str] = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        raise NotImplementedError("streaming only")

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(self, conn_options)


class _Stream(stt.RecognizeStream):
    def __init__(self, recognition: SphinxSTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=recognition, conn_options=conn_options, sample_rate=SAMPLE_RATE)
        self._recognition = recognition
        self._waiting = bytearray()
        self._before = ""
        self._told = ""

    async def _run(self) -> None:
        pool = self._recognition.pool
        recogniser = await asyncio.to_thread(pool.take)
        activity = self._recognition.detector.stream()
        forwarding = asyncio.create_task(self._forward(activity))
        speaking = False
        try:
            async for event in activity:
                if event.type is vad.VADEventType.START_OF_SPEECH:
                    speaking = True
                    await self._begin(recogniser, event)
                elif event.type is vad.VADEventType.INFERENCE_DONE and speaking:
                    await self._hear(recogniser, event)
                elif event.type is vad.VADEventType.END_OF_SPEECH and speaking:
                    speaking = False
                    self._final(await asyncio.to_thread(self._finish, recogniser))
        finally:
            await utils.aio.cancel_and_wait(forwarding)
            await activity.aclose()
            # A decoder in the middle of an utterance cannot be started again.
            if speaking:
                await asyncio.to_thread(self._finish, recogniser)
            pool.give(recogniser)

    async def _forward(self, activity: vad.VADStream) -> None:
        async for item in self._input_ch:
            if not isinstance(item, self._FlushSentinel):
                activity.push_frame(item)
        activity.end_input()

    async def _begin(self, recogniser: Recogniser, event: vad.VADEvent) -> None:
        self._waiting.clear()
        self._before = self._told = ""
        self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.START_OF_SPEECH))
        await asyncio.to_thread(recogniser.start)
        await self._hear(recogniser, event)

    async def _hear(self, recogniser: Recogniser, event: vad.VADEvent) -> None:
        for frame in event.frames:
            self._waiting += bytes(frame.data)
        if len(self._waiting) >= _STEP_BYTES:
            pcm = bytes(self._waiting)
            self._waiting.clear()
            self._interim(await asyncio.to_thread(_step, recogniser, pcm))

    def _finish(self, recogniser: Recogniser) -> Recognised:
        if self._waiting:
            recogniser.hear(bytes(self._waiting))
            self._waiting.clear()
        return recogniser.finish()

    def _interim(self, guess: str) -> None:
        """Tell the words that two guesses in a row agree on: a single guess takes any noise for words."""
        agreed = _common(self._before, guess)
        self._before = guess
        if agreed and agreed != self._told:
            self._told = agreed
            self._send(stt.SpeechEventType.INTERIM_TRANSCRIPT, agreed, 0.0)

    def _final(self, result: Recognised) -> None:
        if result.text:
            self._send(stt.SpeechEventType.FINAL_TRANSCRIPT, result.text, result.confidence)
        self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH))

    def _send(self, kind: stt.SpeechEventType, text: str, confidence: float) -> None:
        data = stt.SpeechData(language=_LANGUAGE, text=text, confidence=confidence)
        self._event_ch.send_nowait(stt.SpeechEvent(kind, alternatives=[data]))


def _step(recogniser: Recogniser, pcm: bytes) -> str:
    recogniser.hear(pcm)
    return recogniser.partial()


def _common(one: str, other: str) -> str:
    words = []
    for left, right in zip(one.split(), other.split(), strict=False):
        if left != right:
            break
        words.append(left)
    return " ".join(words)
