"""Guests who write: each plays a script, resumes when a gateway dies, and keeps a second device following along."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import NamedTuple

import aiohttp

from tests.chaos.transcript import Transcript
from tests.chaos.wire import Frame, Refused, Wire

_BROKEN = (aiohttp.ClientError, ConnectionError, TimeoutError, asyncio.IncompleteReadError)


class Line(NamedTuple):
    text: str
    withdraw: bool = False
    """Cancelled once some words have come."""


TOUR = "Tell me about the hotel."
ASKS_LATE = "Can I check out at two?"
SAYS_YES = "Yes, please book it."
SCRIPT = (
    Line("I would like to hear about the pool and the spa."),
    Line(ASKS_LATE),
    Line(SAYS_YES),
    Line(TOUR),
    Line("Is there parking?"),
    Line("How do I get to the airport?"),
)


async def pause(over: asyncio.Event, seconds: float) -> None:
    """Let time pass, unless the run ends first."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)


class Guest:
    """One customer with one conversation. `over` ends waits early when the run is cut off."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        transcript: Transcript,
        rng: random.Random,
        over: asyncio.Event,
        *,
        patience_s: float = 90.0,
    ) -> None:
        self.name = name
        self._patience_s = patience_s
        self._wire, self._transcript, self._rng, self._over = wire, transcript, rng, over
        self._conversation = ""
        self._last_turn = ""
        self._asked = 0
        self._seen = 0
        """The last event number that the second device has."""
        self._replied: set[str] = set()
        """Turns whose reply the second device has."""
        self._news = asyncio.Event()

    async def play(self, script: tuple[Line, ...], *, pause_s: float = 0.3) -> None:
        """Every line, then wait until the second device has all of it."""
        device: asyncio.Task[None] | None = None
        try:
            for line in script:
                if self._over.is_set():
                    break
                await self._say(line)
                if device is None and self._conversation:
                    device = asyncio.create_task(self._follow(), name=f"device {self.name}")
                await pause(self._over, self._rng.uniform(0.2, 1.8) * pause_s)
            async with asyncio.timeout(self._patience_s):
                while self._conversation and self._last_turn not in self._replied:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._note("broken", error="the second device never saw the last reply")
        finally:
            if device:
                device.cancel()

    async def _say(self, line: Line) -> None:
        self._asked += 1
        key = f"{self.name}.{self._asked}"
        self._note("asked", key=key, text=line.text)
        twice = self._rng.random() < 0.1
        plain = not (line.withdraw or twice) and self._rng.random() < 0.1
        ways = [self._until_answered(line, key, plain=plain)]
        if twice:  # an impatient client, or a proxy that repeats: the same key at the same time
            ways.append(self._until_answered(Line(line.text), key, plain=False))
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.gather(*ways)
        except TimeoutError:
            self._note("broken", key=key, error=f"no answer in {self._patience_s:g} s")

    async def _until_answered(self, line: Line, key: str, *, plain: bool) -> None:
        turn = _Turn(key)
        while not turn.over:
            url = self._rng.choice(self._wire.urls)
            try:
                if plain:
                    answer = await self._wire.ask(url, self.name, line.text, key)
                    self._take(turn, Frame("turn", answer, ""))
                    self._take(turn, Frame("end", answer, ""))
                elif turn.number and self._rng.random() < 0.7:
                    await self._read(turn, line, self._wire.follow(url, self._conversation, turn.number))
                else:
                    await self._read(turn, line, self._wire.post(url, self.name, line.text, key))
            except Refused as refused:
                self._note("refused", key=key, status=refused.status, code=refused.problem.get("code"))
                if not refused.again:
                    turn.over = True
                    return
                await pause(self._over, min(refused.retry_after_s, 1.0))
            except _BROKEN as error:
                self._note("broken", key=key, error=type(error).__name__)
                await pause(self._over, 0.1)

    async def _read(
        self, turn: _Turn, line: Line, opened: contextlib.AbstractAsyncContextManager[AsyncIterator[Frame]]
    ) -> None:
        async with opened as frames:
            async for frame in frames:
                self._take(turn, frame)
                if turn.over:
                    return
                if line.withdraw and not turn.withdrawn and len(turn.text) > 40:
                    turn.withdrawn = True
                    url = self._rng.choice(self._wire.urls)
                    outcome = await self._wire.withdraw(url, self._conversation, turn.id)
                    self._note("withdrawn", turn=turn.id, outcome=outcome)

    def _take(self, turn: _Turn, frame: Frame) -> None:
        data = frame.data
        match frame.name:
            case "turn":
                turn.id, turn.number = data["turnId"], data.get("number", 0)
                self._conversation, self._last_turn = data["conversationId"], turn.id
                self._note("turn", key=turn.key, conversation=self._conversation, turn=turn.id)
            case "chunk" if data["turnId"] == turn.id:
                self._note("chunk", turn=turn.id, offset=data["offset"], text=data["text"], key=turn.key)
                turn.text += data["text"]
            case "end":
                turn.over = True
                self._note("end", turn=turn.id, status=data["status"], text=data["response"], key=turn.key)
            case "error":
                self._note("refused", key=turn.key, status=data["status"], code=data["code"])
                turn.over = data["retry"] == "never"
            case "event" if data["type"] == "reply.generated" and data["turn_id"] == turn.id:
                turn.over = True
                self._note("end", turn=turn.id, status=data["status"], text=data["text"], key=turn.key)

    async def _follow(self) -> None:
        """The second device: every event once, in order, over whatever breaks. Until cancelled."""
        while True:
            url = self._rng.choice(self._wire.urls)
            try:
                async with self._wire.follow(url, self._conversation, self._seen) as frames:
                    async for frame in frames:
                        if frame.name == "event":
                            self._seen = frame.data["number"]
                            self._note("event", conversation=self._conversation, event=frame.data)
                            if frame.data["type"] == "reply.generated":
                                self._replied.add(frame.data["turn_id"])
                                self._news.set()
                        elif frame.name == "error":
                            self._note("broken", error=f"device: {frame.data['code']}")
            except Refused as refused:
                self._note("broken", error=f"device: {refused}")
            except _BROKEN as error:
                self._note("broken", error=f"device: {type(error).__name__}")
            await pause(self._over, 0.1)

    def _note(self, kind: str, **fields: object) -> None:
        self._transcript.note(self.name, kind, **fields)


class _Turn:
    """One turn as the first device sees it."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.id = ""
        self.number = 0
        self.text = ""
        self.over = self.withdrawn = False
