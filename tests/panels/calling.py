"""Callers: one at the audio door, who interrupts and is apologised to, and one in a room, whose gateway's job dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from deploy.call.voice import GUEST
from deploy.demo.phone import SAMPLE_RATE, Event, Phone
from deploy.local.stack import Stack
from services.voice_gateway.domain.manners import BACK_AGAIN, NO_ANSWER
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.resampling import resample
from tests.rooms.calls import SOON_S, Call, kill_job

BREAKFAST = "what time is breakfast served on monday"
PARKING = "where can we park the car"
TOUR = "tell me about the hotel"
_SAYINGS = 3


def sound_of(line: str) -> bytes:
    """PCM16LE mono at the door's rate."""
    said = Espeak().synthesise(line, GUEST)
    return resample(said.pcm, said.sample_rate, SAMPLE_RATE)


class DoorCall:
    """`async with DoorCall(stack) as call`: a caller on the telephone, from the greeting on."""

    def __init__(self, stack: Stack, customer: str = "guest-107") -> None:
        hello = {"property_id": "harbour", "customer_id": customer}
        self._phone = Phone(f"{stack.voice_url.replace('http', 'ws', 1)}/call", hello, lambda _: None)

    async def __aenter__(self) -> DoorCall:
        await self._phone.__aenter__()
        await self._until(_playout("finished"), why="the greeting goes on")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._phone.__aexit__(None, None, None)

    async def ask(self, line: str) -> str:
        """Say a line, again if need be, until it is a turn; answers which."""
        sound = await asyncio.to_thread(sound_of, line)
        for _ in range(_SAYINGS):
            before = len(self._phone.events)
            await self._phone.say(sound)
            index = await self._until(_is("asked", "not-understood"), before, why=f"{line!r} is not heard")
            if self._phone.events[index]["type"] == "asked":
                return str(self._phone.events[index]["turn_id"])
            await self._until(_playout("finished"), index, why="the guest is not asked again")
        raise AssertionError(f"{line!r} is not understood")

    async def answered(self, turn: str) -> Event:
        """What was heard of the answer to a turn."""
        index = await self._until(
            lambda event: event["type"] == "heard" and event["turn_id"] == turn, why="nothing is heard of the answer"
        )
        return self._phone.events[index]

    async def interrupt(self) -> None:
        """Ask for something long, and ask for something else as soon as it is being told."""
        toured = await self.ask(TOUR)
        await self._until(_caption("take"), why="the tour does not begin")
        parked = await self.ask(PARKING)
        assert not (await self.answered(toured))["complete"]
        await self.answered(parked)

    async def apologised(self) -> None:
        """Ask while nobody answers."""
        heard = await self.answered(await self.ask(BREAKFAST))
        assert NO_ANSWER[:10] in heard["generated"]

    async def _until(self, what: Callable[[Event], bool], after: int = 0, *, why: str) -> int:
        return await self._phone.wait(what, after=after, timeout_s=SOON_S, why=why)


async def room_call(stack: Stack) -> None:
    """A question, then the job of the call is killed, and another takes the call over."""
    async with Call(stack) as call:
        await call.guest.speech()
        await call.ask(BREAKFAST)
        await call.until_said("Breakfast is served")
        killed = call.guest.heard.span.end_s
        kill_job(stack, call.way.room)
        await call.until_said(BACK_AGAIN)
        await call.guest.speech(killed)
        # The line's figures are asked for every few seconds: the call goes on for some.
        for _ in range(_SAYINGS):
            await call.ask(PARKING)
            if "garage" in call.concierge():
                return
        raise AssertionError(f"{PARKING!r} is not understood")


def _is(*kinds: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] in kinds


def _playout(what: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] == "playout" and event["what"] == what


def _caption(word: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] == "caption" and word in event["text"]
