"""The whole measurement: rounds of calls in shuffled order, then interruptions, then many calls at once."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from benchmarks.voice.capacity import Load, loads
from benchmarks.voice.guest import Call, CallGuest, on_the_line
from benchmarks.voice.journal import Note, read_journal
from benchmarks.voice.plan import INTERRUPTION, LONG_QUESTION, PROPERTY, QUESTIONS, Plan, Side
from benchmarks.voice.stack import VoiceStack
from benchmarks.voice.stages import Cut, Turn, cuts_of, turns_of
from deploy.call.guest import CallFailed
from libs.contracts.events import AnyEvent, CallEnded

_ENDED_S = 20.0
_LOOK_S = 0.2

Talk = Callable[[CallGuest], Awaitable[None]]
"""What a guest does in a call."""


class Found(msgspec.Struct):
    """Everything that was measured."""

    turns: list[Turn] = []
    cuts: list[Cut] = []
    loads: list[Load] = []
    failed: list[str] = []
    """Calls that broke off: what they had measured counts."""


class Measurement:
    def __init__(self, stack: VoiceStack, plan: Plan, seed: int) -> None:
        self._stack, self._plan, self._order = stack, plan, random.Random(seed)
        self._found = Found()

    async def run(self, parts: Sequence[str]) -> Found:
        """`parts`: which of turns, cuts and loads."""
        for side in Side:
            await self._call(side, 0.0, _asking(QUESTIONS[:1]))
        if "turns" in parts:
            await self._turns()
        if "cuts" in parts:
            await self._cuts()
        if "loads" in parts:
            await self._loads()
        return self._found

    async def _turns(self) -> None:
        plan = self._plan
        for number, call in await self._rounds("turns", plan.rounds, 0.0, lambda side: _asking(plan.asked_of(side))):
            self._found.turns += turns_of(call, number, await self._events(call), self._notes(call))

    async def _cuts(self) -> None:
        plan = self._plan

        def interrupting(side: Side) -> Talk:
            async def talk(guest: CallGuest) -> None:
                for _ in range(plan.cuts_of(side)):
                    await guest.interrupt(LONG_QUESTION, plan.interrupt_after_s, INTERRUPTION)

            return talk

        await self._stack.set_pace(plan.slow_token_s)
        held = await self._rounds("interruptions", plan.cut_rounds, plan.slow_token_s, interrupting)
        for number, call in held:
            self._found.cuts += cuts_of(call, number, await self._events(call), self._notes(call))

    async def _loads(self) -> None:
        await self._stack.set_pace(0.0)
        for side in (Side.OURS, Side.PEER):
            started = time.monotonic()
            self._found.loads += await loads(self._stack, side, self._plan)
            _tell(f"many calls, {side}: {time.monotonic() - started:.0f} s")

    async def _rounds(
        self, what: str, rounds: int, token_s: float, talk: Callable[[Side], Talk]
    ) -> list[tuple[int, Call]]:
        """One call with every side per round; what the other side noted is read after them all."""
        held = []
        for number in range(1, rounds + 1):
            started = time.monotonic()
            sides = list(Side)
            self._order.shuffle(sides)
            held += [(number, await self._call(side, token_s, talk(side))) for side in sides]
            _tell(f"{what}, round {number} of {rounds}: {time.monotonic() - started:.0f} s")
        return held

    async def _call(self, side: Side, token_s: float, talk: Talk) -> Call:
        async with on_the_line(self._stack, side, token_s) as guest:
            try:
                await talk(guest)
            except CallFailed as error:
                self._found.failed.append(f"{side}: {error}")
                _tell(f"{side}: {error}")
            return guest.call

    async def _events(self, call: Call) -> Sequence[AnyEvent]:
        """Of a call of ours, once it is over; others have none."""
        if not call.conversation_id:
            return []
        async with asyncio.timeout(_ENDED_S):
            while True:
                events = (await self._stack.conversations.read(PROPERTY, call.conversation_id)).events
                if any(isinstance(event, CallEnded) for event in events):
                    return events
                await asyncio.sleep(_LOOK_S)

    def _notes(self, call: Call) -> list[Note]:
        return read_journal(self._stack.directory / f"{call.room}.jsonl")


def _asking(questions: Sequence[str]) -> Talk:
    async def talk(guest: CallGuest) -> None:
        for question in questions:
            await guest.ask(question)

    return talk


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
