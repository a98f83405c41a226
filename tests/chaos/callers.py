"""Guests who phone: a synthesised voice through the gateway's audio door; a call that breaks is placed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from deploy.demo.phone import SAMPLE_RATE, CallFailed, Event, Phone
from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample
from tests.chaos.guests import pause
from tests.chaos.transcript import Transcript

_VOICE = Voice("en-us+m6", 150)
_LINES = (
    "i would like to hear about the pool and the spa please",
    "what time is breakfast served in the morning",
    "is there parking",
)
_EVENT_S = 40.0
_CALLS = 6
_REPEATS = 3


class Caller:
    """One customer on the phone."""

    def __init__(self, name: str, url: str, transcript: Transcript, over: asyncio.Event) -> None:
        self.name = name
        self._url, self._transcript, self._over = url, transcript, over
        self._espeak = Espeak()
        self._said = 0

    async def play(self) -> None:
        """Say every line and listen to the answer; ring again when the line dies, at most so many times."""
        for _ in range(_CALLS):
            try:
                await self._call()
            except (TimeoutError, CallFailed, aiohttp.ClientError, OSError) as error:
                self._transcript.note(self.name, "broken", error=f"call: {type(error).__name__}: {error}")
                await pause(self._over, 1.0)
            if self._said == len(_LINES) or self._over.is_set():
                return

    async def _call(self) -> None:
        hello = {"property_id": "harbour", "customer_id": self.name}
        async with Phone(self._url, hello, self._hear) as phone:
            await phone.wait(lambda event: event["type"] == "ready", timeout_s=_EVENT_S, why="the call is not taken")
            greeted = await phone.wait(_playout("started"), timeout_s=_EVENT_S, why="no greeting")
            await phone.wait(_playout("finished"), after=greeted, timeout_s=_EVENT_S, why="the greeting goes on")
            while self._said < len(_LINES) and not self._over.is_set():
                await self._say(phone, _LINES[self._said])
                self._said += 1

    async def _say(self, phone: Phone, line: str) -> None:
        turn = await self._understood(phone, line)
        await phone.wait(
            lambda event: event["type"] == "heard" and event["turn_id"] == turn,
            timeout_s=_EVENT_S,
            why="no report of what was heard",
        )

    async def _understood(self, phone: Phone, line: str) -> str:
        """The turn that a line became; said again, as a guest would, when the concierge asks."""
        said = self._espeak.synthesise(line, _VOICE)
        sound = resample(said.pcm, said.sample_rate, SAMPLE_RATE)
        for _ in range(_REPEATS):
            before = len(phone.events)
            await phone.say(sound)
            index = await phone.wait(
                lambda event: event["type"] in ("asked", "not-understood"),
                after=before,
                timeout_s=_EVENT_S,
                why=f"not heard: {line!r}",
            )
            if phone.events[index]["type"] == "asked":
                return str(phone.events[index]["turn_id"])
            await phone.wait(
                _playout("finished"), after=index, timeout_s=_EVENT_S, why="the concierge does not ask again"
            )
        raise CallFailed(f"not understood: {line!r}")

    def _hear(self, event: Event) -> None:
        match event["type"]:
            case "ready":
                self._transcript.note(self.name, "call", conversation=event["conversation_id"])
            case "asked":
                self._transcript.note(self.name, "spoken", turn=event["turn_id"], text=event["text"])
            case "heard":
                heard = {"turn": event["turn_id"], "text": event["heard"], "complete": event["complete"]}
                self._transcript.note(self.name, "heard", **heard)


def _playout(what: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] == "playout" and event["what"] == what
