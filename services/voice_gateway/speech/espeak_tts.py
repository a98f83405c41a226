"""eSpeak NG as a LiveKit voice: sentence by sentence, with a time for every word."""

from __future__ import annotations

import asyncio

from livekit.agents import tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, TimedString

from services.voice_gateway.domain.sentences import split_sentences
from services.voice_gateway.speech.espeak import MAX_TEXT_CHARS, Espeak, Utterance, Voice


class EspeakTTS(tts.TTS[str]):
    """Streaming, with word times: what the guest heard of an interrupted sentence is known to the word."""

    def __init__(self, espeak: Espeak, voice: Voice) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=espeak.sample_rate,
            num_channels=1,
        )
        self._espeak = espeak
        self._voice = voice

    @property
    def model(self) -> str:
        return self._voice.name

    @property
    def provider(self) -> str:
        return "espeak-ng"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        return _Stream(self, conn_options)

    async def speak(self, text: str) -> Utterance:
        return await asyncio.to_thread(self._espeak.synthesise, text, self._voice)


class _Stream(tts.SynthesizeStream):
    def __init__(self, voice: EspeakTTS, conn_options: APIConnectOptions) -> None:
        super().__init__(tts=voice, conn_options=conn_options)
        self._voice = voice
        self._elapsed_ms = 0

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._voice.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        self._elapsed_ms = 0
        rest = ""
        async for item in self._input_ch:
            final = isinstance(item, self._FlushSentinel)
            rest += item if isinstance(item, str) else ""
            sentences, rest = split_sentences(rest, final=final)
            if len(rest) > MAX_TEXT_CHARS // 2:  # text without a full stop
                sentences, rest = [*sentences, rest], ""
            for sentence in sentences:
                await self._speak(sentence, output_emitter)

    async def _speak(self, sentence: str, output_emitter: tts.AudioEmitter) -> None:
        if not sentence.strip():
            output_emitter.push_timed_transcript(TimedString(sentence, start_time=self._elapsed_ms / 1000))
            return
        self._mark_started()
        spoken = await self._voice.speak(sentence[:MAX_TEXT_CHARS])
        ends = [*(word.start_ms for word in spoken.words[1:]), spoken.duration_ms]
        output_emitter.push_timed_transcript(
            [
                TimedString(
                    word.text,
                    start_time=(self._elapsed_ms + word.start_ms) / 1000,
                    end_time=(self._elapsed_ms + end) / 1000,
                )
                for word, end in zip(spoken.words, ends, strict=True)
            ]
        )
        output_emitter.push(spoken.pcm)
        output_emitter.flush()
        self._elapsed_ms += spoken.duration_ms
