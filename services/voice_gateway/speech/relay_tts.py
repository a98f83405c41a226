"""A voice made of several providers: the first that works speaks, and the next goes on where it fails.

Text goes to a provider sentence by sentence, so that a failure costs at most the rest of one: nothing is left out, and
what was captioned is what is heard. A provider that does not begin or stops in the middle is given up after a few
seconds; it is tried again in the background with a sentence that another one speaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, tts, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    USERDATA_TIMED_TRANSCRIPT,
    APIConnectOptions,
    TimedString,
)

from services.voice_gateway.domain.sentences import split_sentences
from services.voice_gateway.speech.failure import Ledger
from services.voice_gateway.speech.script import Script

_MAX_SENTENCE_CHARS = 2_000
"""Text without a full stop is spoken in pieces of this length."""


@dataclass(frozen=True)
class Voicing:
    """A provider's voice. `patience_s`: how long it may be silent; None for one inside this process."""

    voice: tts.TTS[Any]
    patience_s: float | None


class RelayTTS(tts.TTS[str]):
    """Streaming, with times for its text: by word where the provider has them, else by sentence."""

    def __init__(self, voicings: list[Voicing], ledger: Ledger) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=max(voicing.voice.sample_rate for voicing in voicings),
            num_channels=1,
        )
        self.voicings, self.ledger = voicings, ledger
        self._trials: dict[int, asyncio.Task[None]] = {}

    @property
    def model(self) -> str:
        return self.voicings[self.ledger.roster.order()[0]].voice.model

    @property
    def provider(self) -> str:
        return self.ledger.providers[self.ledger.roster.order()[0]]

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        return _Stream(self, conn_options)

    def prewarm(self) -> None:
        self.voicings[0].voice.prewarm()

    async def aclose(self) -> None:
        for trial in self._trials.values():
            trial.cancel()
        await asyncio.gather(*self._trials.values(), return_exceptions=True)

    async def frames(self, place: int, text: str) -> AsyncGenerator[rtc.AudioFrame, None]:
        """`text` from one provider. Raises whatever it fails with; TimeoutError when it is silent for too long."""
        voicing = self.voicings[place]
        patience = voicing.patience_s
        options = APIConnectOptions(max_retry=0, timeout=patience or DEFAULT_API_CONNECT_OPTIONS.timeout)
        if voicing.voice.capabilities.streaming:
            stream: Any = voicing.voice.stream(conn_options=options)
            stream.push_text(text.strip())
            stream.end_input()
        else:
            stream = voicing.voice.synthesize(text.strip(), conn_options=options)
        try:
            while True:
                async with asyncio.timeout(patience):
                    try:
                        audio = await anext(stream)
                    except StopAsyncIteration:
                        return
                yield audio.frame
        finally:
            await stream.aclose()

    def failed(self, place: int, error: Exception) -> None:
        failure = self.ledger.failed(place, error)
        self.emit("error", tts.TTSError(timestamp=time.time(), label=self._label, error=failure, recoverable=True))

    def try_rested(self, text: str) -> None:
        """Let providers that have rested say `text` to nobody, and use those again that can."""
        for place in self.ledger.due():
            if place not in self._trials:
                trial = asyncio.create_task(self._try(place, text), name="voice trial")
                self._trials[place] = trial
                trial.add_done_callback(lambda _, place=place: self._trials.pop(place, None))  # type: ignore[misc]

    async def _try(self, place: int, text: str) -> None:
        try:
            async for _ in self.frames(place, text):
                pass
        except Exception as error:
            self.ledger.failed(place, error)
        else:
            self.ledger.works(place)


class _Stream(tts.SynthesizeStream):
    def __init__(self, relay: RelayTTS, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=relay, conn_options=conn_options)
        self._relay = relay
        self._elapsed_s = 0.0

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._relay.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        self._elapsed_s, rest = 0.0, ""
        async for item in self._input_ch:
            final = isinstance(item, self._FlushSentinel)
            rest += item if isinstance(item, str) else ""
            sentences, rest = split_sentences(rest, final=final)
            if len(rest) > _MAX_SENTENCE_CHARS:
                sentences, rest = [*sentences, rest], ""
            for sentence in sentences:
                await self._speak(sentence, output_emitter)

    async def _speak(self, sentence: str, emitter: tts.AudioEmitter) -> None:
        if not sentence.strip():
            emitter.push_timed_transcript(TimedString(sentence, start_time=self._elapsed_s))
            return
        self._mark_started()
        self._relay.try_rested(sentence)
        script = Script(sentence)
        for place in self._relay.ledger.roster.order():
            try:
                await self._say(place, script, emitter)
            except Exception as error:
                self._relay.failed(place, error)
            else:
                self._relay.ledger.works(place)
                return
        raise APIConnectionError("no voice works")

    async def _say(self, place: int, script: Script, emitter: tts.AudioEmitter) -> None:
        """One provider says what is left of a sentence."""
        voice = self._relay.voicings[place].voice
        timed = bool(voice.capabilities.aligned_transcript)
        resampler = None
        if voice.sample_rate != self._relay.sample_rate:
            resampler = rtc.AudioResampler(voice.sample_rate, self._relay.sample_rate)
        begin, pushed, waiting = self._elapsed_s, 0.0, list[TimedString]()
        text = script.remaining()
        if not timed and (words := script.all_but_last()):
            emitter.push_timed_transcript(TimedString(words, start_time=begin))
        try:
            async with contextlib.aclosing(self._relay.frames(place, text)) as frames:
                async for frame in frames:
                    pushed += frame.duration
                    if timed:
                        waiting += frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])
                        waiting = _caption(waiting, script, emitter, begin, pushed)
                    for part in resampler.push(frame) if resampler else [frame]:
                        emitter.push_frame(part)
            for part in resampler.flush() if resampler else []:
                emitter.push_frame(part)
            # The last word marks how long the sentence was: times inside it are read off between its two ends.
            last_s = begin + pushed * (1.0 if timed else script.share())
            if words := script.rest():
                emitter.push_timed_transcript(TimedString(words, start_time=last_s, end_time=begin + pushed))
        except Exception:
            script.broke_off(timed=timed)
            raise
        finally:
            self._elapsed_s = begin + pushed
            emitter.flush()


def _caption(
    waiting: list[TimedString], script: Script, emitter: tts.AudioEmitter, begin: float, until: float
) -> list[TimedString]:
    """Caption the words that begin in audio handed over so far; answers those that do not yet."""
    for at, word in enumerate(waiting):
        start = word.start_time if isinstance(word.start_time, float | int) else 0.0
        if start > until:
            return waiting[at:]
        if words := script.spoken(str(word)):
            emitter.push_timed_transcript(TimedString(words, start_time=begin + start))
    return []
