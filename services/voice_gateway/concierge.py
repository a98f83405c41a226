"""The agent of a call: what is done around the brain's words so that the line is never dead.

Filler when the first words are late, the first sentence spoken before the second is written, an apology when the brain
fails, a question back when nothing was understood.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable

from livekit import rtc
from livekit.agents import Agent, APIError, FlushSentinel, ModelSettings, StopResponse, llm, stt

from services.voice_gateway.call_turns import CallTurns
from services.voice_gateway.domain.manners import Patience, fallback, filler, reprompt, understood
from services.voice_gateway.domain.sentences import ends_sentence

Spoken = llm.ChatChunk | str | FlushSentinel


class Concierge(Agent):
    """`on_unclear` is told the words and their confidence when the guest is asked to repeat; `answers` says whether
    words are for the concierge at all."""

    def __init__(
        self,
        turns: CallTurns,
        patience: Patience,
        confidence_floor: float,
        on_unclear: Callable[[str, float], None],
        answers: Callable[[str], bool],
    ) -> None:
        super().__init__(instructions="")
        self._turns = turns
        self._patience = patience
        self._floor = confidence_floor
        self._on_unclear = on_unclear
        self._answers = answers
        self._unclear = 0

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncGenerator[stt.SpeechEvent, None]:
        """Drop uncertain words that fall into the concierge's own speech: most are noise, and he goes on speaking.

        Whoever really speaks up has interrupted with the words of the running utterance before.
        """
        async for event in Agent.default.stt_node(self, audio, model_settings):
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT and self._is_noise(event):
                continue
            yield event

    def _is_noise(self, event: stt.SpeechEvent) -> bool:
        speech = self.session.current_speech
        if speech is None or speech.interrupted or not event.alternatives:
            return False
        return not understood(event.alternatives[0].confidence, self._floor)

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncGenerator[rtc.AudioFrame, None]:
        """The voice as it is; when its first audio came is noted."""
        async for frame in Agent.default.tts_node(self, text, model_settings):
            self._turns.voiced()
            yield frame

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Ask back instead of answering what was not understood, and leave alone what is not for the concierge.

        Raises StopResponse then.
        """
        if not self._answers(new_message.text_content or ""):
            raise StopResponse
        confidence = new_message.transcript_confidence or 0.0
        if understood(confidence, self._floor):
            self._unclear = 0
            return
        self._on_unclear(new_message.text_content or "", confidence)
        self.session.say(reprompt(self._unclear), add_to_chat_ctx=False)
        self._unclear += 1
        raise StopResponse

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[Spoken, None]:
        """The brain's words, with what manners add to them."""
        turn_id = next((item.id for item in reversed(chat_ctx.messages()) if item.role == "user"), "")
        words = Agent.default.llm_node(self, chat_ctx, tools, model_settings)
        said, flushed = "", False
        try:
            async for chunk in self._with_filler(words, turn_id):
                said += self._note(turn_id, chunk)
                yield chunk
                if said and not flushed and ends_sentence(said):
                    # The voice would otherwise wait for the next sentence to be sure that this one is over.
                    flushed = True
                    yield FlushSentinel()
        except APIError:
            yield FlushSentinel()
            chunk = _chunk("fallback", fallback(said), turn=turn_id)
            self._note(turn_id, chunk, before=" " if said else "")
            if exchange := self._turns.get(turn_id):
                exchange.excused = True
            yield chunk
        finally:
            await words.aclose()

    async def _with_filler(self, words: AsyncGenerator[Spoken, None], turn_id: str) -> AsyncGenerator[Spoken, None]:
        """`words`, with a filler in front when the first of them are late."""
        first = asyncio.ensure_future(anext(words, None))
        try:
            done, _ = await asyncio.wait([first], timeout=self._patience.filler_s)
            if not done:
                yield self._filler(turn_id)
                yield FlushSentinel()
            chunk = await first
        finally:
            if not first.done():
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
        while chunk is not None:
            yield chunk
            chunk = await anext(words, None)

    def _filler(self, turn_id: str) -> llm.ChatChunk:
        text = filler(self._turns.count)
        if exchange := self._turns.get(turn_id):
            exchange.filler, exchange.filler_segments = text, 1
        return _chunk("filler", text, turn=turn_id, filler=text)

    def _note(self, turn_id: str, chunk: Spoken, before: str = "") -> str:
        """Keep what is given to the voice: what was heard is measured against it. Answers the text of the answer."""
        text = _answer_text(chunk)
        if text and (exchange := self._turns.get(turn_id)):
            exchange.generated += before + text
        return text


def _chunk(name: str, text: str, **extra: str) -> llm.ChatChunk:
    return llm.ChatChunk(id=name, delta=llm.ChoiceDelta(role="assistant", content=text, extra=dict(extra)))


def _answer_text(chunk: Spoken) -> str:
    if isinstance(chunk, llm.ChatChunk) and chunk.delta and "filler" not in (chunk.delta.extra or {}):
        return chunk.delta.content or ""
    return ""
