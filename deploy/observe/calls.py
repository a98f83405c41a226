"""Some minutes of a hotel's telephone, for pictures: guests call rooms and write, interrupt, book and hang up; a brain
is killed in an answer, and for a while there is none.

All of it is real: speech is synthesised, goes through LiveKit, is recognised and answered. Only the guests are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

import aiohttp

from deploy.call.guest import CallFailed, RoomGuest
from deploy.call.session import open_session
from deploy.call.voice import spoken
from deploy.local.services import BRAIN
from deploy.local.stack import Stack

PROPERTY, KEY = "harbour", "dev-pictures"
ANSWER_S, HANGS_UP_S = 60.0, 30.0


class Line(NamedTuple):
    text: str
    cut_after_s: float = 0.0
    """The guest speaks again so long after the answer to it has begun; 0: hears it out."""


LINES = (
    Line("what time is breakfast served in the morning"),
    Line("tell me about the hotel", cut_after_s=5.0),
    Line("is there parking"),
    Line("could i check out at two in the afternoon on my last day", cut_after_s=3.0),
    Line("yes please book that for me"),
    Line("i would like to hear about the pool and the spa please"),
    Line("thank you very much that is everything goodbye"),
)
WRITTEN = ("Is there anywhere to park my car?", "How do I get to the airport?", "What time is breakfast?")


class Calls:
    """`held` and `broken` count calls."""

    def __init__(
        self, stack: Stack, say: Callable[[str], None], *, key: str = KEY, lines: Sequence[Line] = LINES, seed: int = 1
    ) -> None:
        self.held = self.broken = 0
        self._stack, self._say, self._dice = stack, say, random.Random(seed)
        self._key, self._lines = key, lines

    async def hold(self, *, phones: int = 3, calls: int = 2, apart_s: float = 12.0, brains: int = 2) -> None:
        """So many telephones, each with so many calls one after the other, and trouble meanwhile."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(over))
            calling = [tasks.create_task(self._phone(n, calls, n * apart_s)) for n in range(phones)]
            tasks.create_task(self._trouble(brains, over))
            await asyncio.wait(calling)
            over.set()
            await writing

    async def _phone(self, number: int, calls: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for call in range(calls):
            guest = "guest-204" if number == 0 else f"caller-{number}-{call}"
            try:
                await self._call(guest)
                self.held += 1
            except CallFailed as error:
                self.broken += 1
                self._say(f"a call of {guest} broke off: {error}")

    async def _call(self, customer: str) -> None:
        way = await open_session(self._stack.text_url, self._key, {"propertyId": PROPERTY, "customerId": customer})
        self._say(f"{customer} calls")
        async with RoomGuest() as guest:
            await guest.join(way.url, way.token)
            await guest.speech(why="nobody greets")
            for line in self._lines:
                said = await guest.say(await asyncio.to_thread(spoken, line.text))
                if line.cut_after_s:
                    await guest.voice(said.end_s, timeout_s=ANSWER_S, why=f"no answer to {line.text!r}")
                    await asyncio.sleep(line.cut_after_s)
                elif line is not self._lines[-1]:
                    await guest.speech(said.end_s, pause_s=1.5, timeout_s=ANSWER_S, why=f"no answer to {line.text!r}")
            with contextlib.suppress(CallFailed):  # it is the concierge who hangs up; if not, the guest does
                await guest.until(lambda: guest.drops, timeout_s=HANGS_UP_S, why="nobody hangs up")

    async def _write(self, over: asyncio.Event) -> None:
        """Other guests write meanwhile, one every few seconds."""
        headers = {"Authorization": f"Bearer {self._key}"}
        async with aiohttp.ClientSession(headers=headers) as http, asyncio.TaskGroup() as asking:
            number = 0
            while not over.is_set():
                number += 1
                asking.create_task(self._ask(http, f"writer-{number % 5}", self._dice.choice(WRITTEN)))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), self._dice.uniform(1.5, 4.5))

    async def _ask(self, http: aiohttp.ClientSession, customer: str, text: str) -> None:
        body = {"propertyId": PROPERTY, "customerId": customer, "message": text}
        async with http.post(f"{self._stack.text_url}/llm/conversations/", json=body) as response:
            await response.read()

    async def _trouble(self, brains: int, over: asyncio.Event) -> None:
        """A brain is killed, and comes back; later there is none for longer than a caller's patience."""
        if await _over_within(over, 60.0):
            return
        self._say("kill -9 of a brain")
        self._stack.process(f"{BRAIN}-1").signal(signal.SIGKILL)
        if await _over_within(over, 45.0):
            return
        self._say("no brain for a while")
        await self._stack.scale(0)
        await _over_within(over, 18.0)
        await self._stack.scale(brains)
        self._say(f"{brains} brains again")


async def _over_within(over: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
    return over.is_set()
