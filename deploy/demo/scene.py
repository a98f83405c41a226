"""Plays the script: speaks, listens, interrupts and writes, and remembers which line became which turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from deploy.demo.phone import SAMPLE_RATE, CallFailed, Event, Phone
from deploy.demo.report import Line
from deploy.demo.script import Say, Write
from deploy.demo.texting import Http

Voice = Callable[[str], bytes]
"""The guest's voice: PCM16LE mono at the phone's rate."""
_ANSWER_S = 60.0
_HEARD_S = 15.0
_REPEATS = 3


class Scene:
    """One guest on two channels."""

    def __init__(self, phone: Phone, http: Http, voice: Voice, show: Callable[[str, str], None]) -> None:
        self._phone, self._http, self._voice, self._show = phone, http, voice, show
        self.lines: dict[str, Line] = {}
        """What was said or written, by turn id."""
        self.written: list[tuple[str, str, float]] = []
        """Turn, answer and milliseconds of each text message."""
        self.texted_during = ""
        """The turn during whose spoken answer a text message was written and answered; '' if it was over first."""
        self.cuts: dict[str, tuple[int, int]] = {}
        """Samples of the concierge's side between which an interrupted answer was heard, by turn."""
        self.conversation_id = ""
        self._answering = 0
        """Index of the event at which the answer that is being spoken began."""
        self._turn = ""

    async def play(self, steps: tuple[Say | Write, ...]) -> None:
        """The greeting, then every step; returns when the last answer has been heard."""
        ready = await self._phone.wait(_is("ready"), timeout_s=_ANSWER_S, why="the call is not taken")
        self.conversation_id = self._phone.events[ready]["conversation_id"]
        greeted = await self._phone.wait(_playout("started"), timeout_s=_ANSWER_S, why="no greeting")
        await self._phone.wait(_playout("finished"), after=greeted, timeout_s=_ANSWER_S, why="the greeting goes on")
        for step, following in zip(steps, (*steps[1:], None), strict=True):
            if isinstance(step, Write):
                await self._write(step.text)
            else:
                interrupted = isinstance(following, Say) and following.interrupt_after_s > 0
                await self._say(step, let_finish=not interrupted)

    async def _say(self, step: Say, *, let_finish: bool) -> None:
        before = len(self._phone.events)
        if step.interrupt_after_s:
            await self._interrupt(step, before)
        else:
            self._show("guest says", step.line)
            await self._phone.say(self._voice(step.line))
        asked = await self._understood(step.line, before)
        self._turn = self._phone.events[asked]["turn_id"]
        self.lines[self._turn] = Line(step.line, "voice")
        self._answering = await self._phone.wait(
            _playout("started"), after=asked, timeout_s=_ANSWER_S, why=f"no answer to {step.line!r}"
        )
        if step.meanwhile:
            await self._write(step.meanwhile.text)
            over = any(map(_report_of(self._turn), self._phone.events))
            self.texted_during = "" if over else self._turn
        if let_finish:
            await self._heard(self._turn)

    async def _understood(self, line: str, after: int) -> int:
        """Index of the event that the line became a turn; said again, as a guest would, when the concierge asks."""
        for _ in range(_REPEATS):
            index = await self._phone.wait(
                _is("asked", "not-understood"), after=after, timeout_s=_ANSWER_S, why=f"not heard: {line!r}"
            )
            if self._phone.events[index]["type"] == "asked":
                return index
            after = await self._phone.wait(
                _playout("finished"), after=index, timeout_s=_ANSWER_S, why="the concierge does not ask again"
            )
            self._show("guest says again", line)
            await self._phone.say(self._voice(line))
        raise CallFailed(f"not understood {_REPEATS} times: {line!r}")

    async def _interrupt(self, step: Say, before: int) -> None:
        """Wait until the answer has run for a while, and speak into it."""
        turn, began = self._turn, self._phone.events[self._answering]["position"]
        played = len(self._phone.concierge) // 2 - began
        await asyncio.sleep(max(0.0, step.interrupt_after_s - played / SAMPLE_RATE))
        self._show("guest interrupts", step.line)
        await self._phone.say(self._voice(step.line))
        heard = await self._heard(turn)
        cut = await self._phone.wait(_playout("cut"), after=before, timeout_s=_HEARD_S, why="the answer was not cut")
        self.cuts[turn] = (began, self._phone.events[cut]["position"])
        if heard["complete"]:
            raise CallFailed("the answer was over before it was interrupted")

    async def _heard(self, turn: str) -> Event:
        index = await self._phone.wait(_report_of(turn), timeout_s=_ANSWER_S, why="no report of what was heard")
        return self._phone.events[index]

    async def _write(self, text: str) -> None:
        self._show("guest writes", text)
        started = time.monotonic()
        answer = await self._http.write(text)
        elapsed = (time.monotonic() - started) * 1000
        self._show("concierge writes", answer["response"])
        if answer["conversationId"] != self.conversation_id:
            raise CallFailed("the text message went to another conversation than the call")
        self.lines[answer["turnId"]] = Line(text, "text")
        self.written.append((answer["turnId"], answer["response"], elapsed))


def _is(*kinds: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] in kinds


def _report_of(turn: str) -> Callable[[Event], bool]:
    """What was heard of that turn's answer: it is over then."""
    return lambda event: event["type"] == "heard" and event["turn_id"] == turn


def _playout(*what: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] == "playout" and event["what"] in what
