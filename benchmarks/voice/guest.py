"""The guest of a measured call: asks, listens, interrupts, and notes when what could be heard."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import msgspec
import numpy as np
from livekit import api

from benchmarks.voice.journal import Order
from benchmarks.voice.plan import PEER_AGENT, PROPERTY, Side
from benchmarks.voice.stack import VoiceStack
from deploy.call.guest import TRANSCRIPTION, RoomGuest
from deploy.call.microphone import SAMPLE_RATE
from deploy.call.recording import LOUD_RMS, Span
from deploy.call.voice import spoken
from libs.contracts.calls import AGENT_NAME, CallTicket, encode_ticket
from libs.contracts.events import Author, Channel, ConversationOpened
from services.voice_gateway.domain.wording import words_of

IDENTITY = "guest"
_FRAME = SAMPLE_RATE // 100
_ANSWER_S = 30.0
_OVER_S = 0.6
"""A silence that ends an answer: longer than any between its sentences."""
_CUT_S = 0.4
"""A silence that means that the concierge has stopped."""
_SETTLED_S = 1.5
"""After the greeting: meanwhile both sides make the process that stands ready for the next call."""
_BREATH_S = 0.3
"""Between an answer and the next question."""


class Asked(msgspec.Struct, frozen=True):
    """One question and what was heard after it. Unix seconds by the guest's clock."""

    question: str
    from_s: float
    end_s: float
    """The last sound of the question went out."""
    audio_s: float
    """The first sound of the answer came in."""
    recognised: str
    """What the other side says that it understood."""
    answer: str
    """Captions of the answer."""


class Interrupted(msgspec.Struct, frozen=True):
    """An answer that was talked into. Unix seconds."""

    at_s: float
    """The first sound of the interruption went out."""
    silent_s: float
    """The last sound of the answer came in."""
    until_s: float
    """The first sound of the answer to the interruption came in."""
    understood: bool
    """The question before it was, word for word: otherwise something else was interrupted."""


class Call(msgspec.Struct, frozen=True):
    """A call that was held."""

    side: Side
    room: str
    conversation_id: str
    """Ours only."""
    turns: list[Asked] = []
    interruptions: list[Interrupted] = []


def voice_of(line: str) -> bytes:
    """The line as sound, from its first loud moment to its last: what is measured begins and ends there."""
    pcm = spoken(line)
    samples = np.frombuffer(pcm, dtype="<i2")
    frames = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((frames * frames).mean(axis=1)) >= LOUD_RMS)
    return frames[loud[0] : loud[-1] + 1].astype("<i2").tobytes()


class CallGuest:
    """A guest on the line with one side, greeted already."""

    def __init__(self, guest: RoomGuest, side: Side, room: str, conversation_id: str) -> None:
        self._guest, self._side, self._room, self._conversation = guest, side, room, conversation_id
        self._turns: list[Asked] = []
        self._interruptions: list[Interrupted] = []

    @property
    def call(self) -> Call:
        return Call(self._side, self._room, self._conversation, self._turns, self._interruptions)

    async def ask(self, question: str) -> Asked:
        """Ask and listen to the end. `CallFailed` when no answer comes."""
        said = await self._guest.say(voice_of(question))
        answer = await self._answer(said)
        asked = Asked(
            question,
            said.start_s,
            said.end_s,
            answer.start_s,
            self._read(said, mine=True),
            self._read(said, mine=False),
        )
        self._turns.append(asked)
        await asyncio.sleep(_BREATH_S)
        return asked

    async def interrupt(self, question: str, after_s: float, words: str) -> Interrupted:
        """Ask, and talk into the answer after so long, until that is answered."""
        said = await self._guest.say(voice_of(question))
        await self._voice(said)
        understood = words_of(self._read(said, mine=True)) == words_of(question)
        await asyncio.sleep(after_s)
        cut = await self._guest.say(voice_of(words))
        until_s = await self._voice(cut)
        spans = self._guest.heard.voiced(cut.start_s, pause_s=_CUT_S)
        interrupted = Interrupted(cut.start_s, spans[0].end_s, until_s, understood)
        self._interruptions.append(interrupted)
        await asyncio.sleep(_BREATH_S)
        return interrupted

    async def _answer(self, said: Span) -> Span:
        return await self._guest.speech(said.end_s, pause_s=_OVER_S, timeout_s=_ANSWER_S, why=self._why)

    async def _voice(self, said: Span) -> float:
        return await self._guest.voice(said.end_s, timeout_s=_ANSWER_S, why=self._why)

    @property
    def _why(self) -> str:
        return f"no answer in {self._side} {self._room}"

    def _read(self, said: Span, *, mine: bool) -> str:
        """Final transcripts since the guest began to say this: the guest's own words, or the concierge's."""
        texts = [text for text in self._guest.texts if text.topic == TRANSCRIPTION and text.final]
        return " ".join(
            text.text.strip() for text in texts if text.at_s > said.start_s and (text.sender == IDENTITY) is mine
        )


@contextlib.asynccontextmanager
async def on_the_line(stack: VoiceStack, side: Side, token_s: float = 0.0) -> AsyncIterator[CallGuest]:
    """A call from the greeting on; leaving the block hangs up."""
    room = f"bench-{uuid.uuid4().hex[:12]}"
    conversation = await _open(stack) if side is Side.OURS else ""
    async with RoomGuest() as guest:
        await guest.join(stack.livekit.url, _token(stack, side, room, conversation, token_s))
        await guest.speech(pause_s=_OVER_S, timeout_s=_ANSWER_S, why=f"no greeting in {side} {room}")
        await asyncio.sleep(_SETTLED_S)
        yield CallGuest(guest, side, room, conversation)


def _token(stack: VoiceStack, side: Side, room: str, conversation: str, token_s: float) -> str:
    if side is Side.OURS:
        ticket = CallTicket(call_id=room, property_id=PROPERTY, conversation_id=conversation, guest=IDENTITY)
        name, metadata = AGENT_NAME, encode_ticket(ticket)
    else:
        journal = str(stack.directory / f"{room}.jsonl")
        order = Order(defaults=side is Side.DEFAULTS, token_s=token_s, journal=journal)
        name, metadata = PEER_AGENT, msgspec.json.encode(order).decode()
    agents = [api.RoomAgentDispatch(agent_name=name, metadata=metadata)]
    return stack.livekit.token(room, IDENTITY, config=api.RoomConfiguration(metadata=metadata, agents=agents))


async def _open(stack: VoiceStack) -> str:
    """A conversation of this call alone: nothing is remembered of earlier ones, as at the peer."""
    name = f"conv-{uuid.uuid4().hex}"
    event = ConversationOpened(
        id=f"{name}.opened",
        time_ms=0,
        property_id=PROPERTY,
        conversation_id=name,
        author=Author.SYSTEM,
        channel=Channel.VOICE,
    )
    return (await stack.conversations.open(event, {"property_id": PROPERTY})).conversation_id
