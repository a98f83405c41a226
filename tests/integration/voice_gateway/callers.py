"""A guest and a brain for call tests: the guest speaks with a synthesised voice, the brain answers by script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

from libs.contracts.events import AnyEvent, CallQuality, ReplyStatus
from services.voice_gateway import events
from services.voice_gateway.audio import SAMPLE_RATE
from services.voice_gateway.call import VoiceCall
from services.voice_gateway.line import LocalLine
from services.voice_gateway.ports import (
    BrainLink,
    CallCommand,
    EndReason,
    HeardReport,
    LeftTurn,
    ReplyPiece,
    SpokenTurn,
)
from services.voice_gateway.settings import CallSettings
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.providers import Speech
from services.voice_gateway.speech.resampling import resample

GUEST = Voice("en-us+m6", 150)
Script = Callable[[SpokenTurn], AsyncIterator[ReplyPiece]]
E = TypeVar("E", bound=events.CallEvent)


def reply(text: str, *, first_s: float = 0.1, every_s: float = 0.05) -> Script:
    """A brain that writes `text` word by word."""

    async def stream(_: SpokenTurn) -> AsyncIterator[ReplyPiece]:
        await asyncio.sleep(first_s)
        words = text.split()
        for number, word in enumerate(words, start=1):
            last = number == len(words)
            yield ReplyPiece(word + ("" if last else " "), ReplyStatus.FINISHED if last else None)
            await asyncio.sleep(every_s)

    return stream


class ScriptedBrain:
    """Answers turns one after another by the scripts given, and keeps what it is told in `journal`, in order."""

    def __init__(self, *scripts: Script) -> None:
        self.property_id, self.conversation_id, self.trace = "harbour", "conv-test", ""
        self.turns: list[SpokenTurn] = []
        self.reports: list[HeardReport] = []
        self.journal: list[tuple[str, str]] = []
        self.written: dict[str, str] = {}
        self.left: LeftTurn | None = None
        self._scripts = list(scripts)
        self.other: asyncio.Queue[AnyEvent] = asyncio.Queue()
        self.wishes: asyncio.Queue[CallCommand] = asyncio.Queue()
        self.answers: list[tuple[str, bool, str]] = []
        """Commands that were answered: id, ok and detail."""

    async def ask(self, turn: SpokenTurn, *, deadline_ms: int) -> AsyncGenerator[ReplyPiece, None]:
        self.turns.append(turn)
        self.journal.append(("ask", turn.turn_id))
        async for piece in self._scripts.pop(0)(turn):
            self.written[turn.turn_id] = self.written.get(turn.turn_id, "") + piece.text
            yield piece

    async def cancel(self, turn_id: str) -> None:
        self.journal.append(("cancel", turn_id))

    async def unheard(self, within_ms: int) -> LeftTurn | None:
        return self.left

    async def heard(self, report: HeardReport) -> None:
        self.reports.append(report)
        self.journal.append(("heard", report.turn_id))

    async def call_started(self, call_id: str) -> None:
        self.journal.append(("started", call_id))

    async def call_ended(self, call_id: str, reason: EndReason, duration_ms: int, quality: CallQuality) -> None:
        self.journal.append(("ended", reason.value))

    async def write(self, turn_id: str, text: str) -> AsyncGenerator[ReplyPiece, None]:
        self.journal.append(("write", turn_id))
        yield ReplyPiece(f"You wrote {text}", ReplyStatus.FINISHED)

    async def commands(self) -> AsyncIterator[CallCommand]:
        while True:
            yield await self.wishes.get()

    async def command_done(self, command_id: str, *, ok: bool, detail: str = "") -> None:
        self.answers.append((command_id, ok, detail))

    async def elsewhere(self) -> AsyncIterator[AnyEvent]:
        while True:
            yield await self.other.get()

    async def close(self) -> None:
        self.journal.append(("closed", ""))


class TestCall:
    """A call in this process: `say` speaks to it, `until` waits for what it tells."""

    __test__ = False

    def __init__(self, espeak: Espeak, speech: Speech, brain: BrainLink, settings: CallSettings) -> None:
        self.concierge = bytearray()
        self.guest = bytearray()
        self.told: list[events.AnyCallEvent] = []
        self.line = LocalLine(self.concierge.extend, self.guest.extend)
        self._espeak = espeak
        self._changed = asyncio.Event()
        self._greeting = settings.greeting
        self.call = VoiceCall("call-1", brain, speech, self.line, settings, self._watch)

    def _watch(self, event: events.AnyCallEvent) -> None:
        self.told.append(event)
        self._changed.set()

    async def __aenter__(self) -> TestCall:
        await self.call.start(self._greeting)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.call.close(EndReason.GUEST)

    def say(self, text: str) -> None:
        """Start to speak: the call hears it in real time."""
        said = self._espeak.synthesise(text, GUEST)
        self.line.microphone.feed(resample(said.pcm, said.sample_rate, SAMPLE_RATE))

    def make_noise(self, pcm: bytes) -> None:
        self.line.microphone.feed(pcm)

    async def until(
        self, kind: type[E], where: Callable[[E], bool] = lambda _: True, timeout_s: float = 60.0, after: int = 0
    ) -> E:
        """The first such event at or after index `after` of what was told."""
        async with asyncio.timeout(timeout_s):
            while True:
                for event in self.told[after:]:
                    if isinstance(event, kind) and where(event):
                        return event
                self._changed.clear()
                await self._changed.wait()
