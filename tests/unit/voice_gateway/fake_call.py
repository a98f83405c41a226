"""A call without audio, and a clock without time, for what is done with a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from libs.contracts.commands import AnyCommand
from libs.contracts.errors import BusUnavailable
from services.voice_gateway.control import CallControl
from services.voice_gateway.ports import CallCommand, EndReason
from services.voice_gateway.spoken import Spoken
from tests.eventually import eventually

DESKS = {"reception": "tel:+4940123"}


class Timer:
    """A `loop.call_later` whose time comes when the test says so."""

    def __init__(self) -> None:
        self.running: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer._Handle:
        entry = (seconds, callback)
        self.running.append(entry)
        return Timer._Handle(self, entry)

    def ring(self) -> None:
        self.running.pop()[1]()

    class _Handle:
        def __init__(self, timer: Timer, entry: tuple[float, Callable[[], None]]) -> None:
            self._timer, self._entry = timer, entry

        def cancel(self) -> None:
            if self._entry in self._timer.running:
                self._timer.running.remove(self._entry)


class FakeCall:
    """Line, switchboard and talk in one; `told` is what happened, in order."""

    def __init__(self) -> None:
        self.wishes: asyncio.Queue[CallCommand] = asyncio.Queue()
        self.told: list[str] = []
        self.answers: dict[str, list[tuple[bool, str]]] = {}
        self.replies = Spoken()
        self.timer = Timer()
        self.refuses: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.mute = False
        self.bus_away = False
        self.control = CallControl(self, self, self, DESKS, self.timer.later)

    async def commands(self) -> AsyncIterator[CallCommand]:
        while True:
            yield await self.wishes.get()

    async def command_done(self, command_id: str, *, ok: bool, detail: str = "") -> None:
        if self.bus_away:
            raise BusUnavailable("away")
        self.answers.setdefault(command_id, []).append((ok, detail))
        self.told.append(f"answered {command_id}")

    async def spoken(self, turn_id: str, within_s: float) -> bool:
        return await self.replies.wait(turn_id, within_s)

    async def say(self, text: str) -> None:
        if self.mute:
            raise RuntimeError("the session is closed")
        self.told.append(f"said {text}")

    def end(self, reason: EndReason) -> None:
        self.told.append(f"ended {reason.value}")

    async def hang_up(self) -> None:
        self.told.append("hung up")
        await self._outcome()

    async def transfer(self, to: str) -> None:
        self.told.append(f"transfer {to}")
        await self._outcome()

    async def _outcome(self) -> None:
        await self.answering.wait()
        if self.refuses:
            raise self.refuses

    def wish(self, command: AnyCommand, command_id: str = "c1", turn_id: str = "", **more: bool) -> None:
        self.wishes.put_nowait(CallCommand(command_id=command_id, command=command, turn_id=turn_id, **more))

    async def answered(self, *command_ids: str) -> list[tuple[bool, str]]:
        """The answers to these commands, each of which has one."""

        async def all_there() -> bool:
            return set(command_ids) <= set(self.answers)

        await eventually(all_there)
        found = [self.answers[command_id] for command_id in command_ids]
        assert all(len(one) == 1 for one in found), found
        return [one[0] for one in found]

    async def heard(self, what: str) -> None:
        async def told() -> bool:
            return what in self.told

        await eventually(told)
