"""Carries out what is asked of a call, one thing after another: hang up, put through, pause, resume, say.

What a reply promised is done when the guest has heard that reply to its end; a guest who interrupts it has changed the
subject, and it is not done. Every command is answered once, also those that the end of the call leaves undone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from libs.contracts.commands import HangUp, Pause, Resume, Say, Show, Transfer, check_command
from libs.contracts.errors import BotelError
from services.voice_gateway.domain import control as rules
from services.voice_gateway.ports import CallCommand, EndReason, Switchboard

_log = logging.getLogger(__name__)
_SPOKEN_WITHIN_S = 120.0
"""A reply that is not over by then counts as interrupted."""
_TRANSFER_WITHIN_S = 60.0
_LEAVING_S = 5.0
"""How long a hang-up that has begun may take when the call ends over it."""


class CommandLine(Protocol):
    """The part of a `ports.BrainLink` that bears commands."""

    def commands(self) -> AsyncIterator[CallCommand]: ...

    async def command_done(self, command_id: str, *, ok: bool, detail: str = "") -> None: ...


class Talk(Protocol):
    """What is needed of the call itself."""

    async def spoken(self, turn_id: str, within_s: float) -> bool:
        """Wait for the end of a turn's reply; whether it was heard whole, and the guest has said nothing since."""

    async def say(self, text: str) -> None:
        """Say something that is no answer; returns when it was played, or was cut."""

    def end(self, reason: EndReason) -> None:
        """End the call; safe twice, the first reason stands."""


class Cancellable(Protocol):
    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Cancellable]
"""Calls back after so many seconds, as `loop.call_later` does."""


class NotDone(BotelError):
    """A command that is not carried out: the detail says why, and `apology` is what the guest hears of it."""

    code = "not-done"

    def __init__(self, detail: str, apology: str = "") -> None:
        super().__init__(detail)
        self.apology = apology


class CallControl:
    """`start` it with the call, ask `answers` of everything that the guest says, and `close` it before the link.

    desks: name -> `tel:` or SIP address.
    """

    def __init__(
        self,
        line: CommandLine,
        switchboard: Switchboard,
        talk: Talk,
        desks: Mapping[str, str],
        later: Later | None = None,
    ) -> None:
        self._line, self._switchboard, self._talk, self._desks = line, switchboard, talk, desks
        self._later: Later = later or asyncio.get_running_loop().call_later
        self._open: dict[str, CallCommand] = {}
        """Commands that are not answered, in the order requested."""
        self._seen: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving = False
        """The command that is carried out ends the call: the end of the call does not stop it."""
        self._transferring = False
        self._pause: Cancellable | None = None

    @property
    def paused(self) -> bool:
        """The concierge listens and does not answer; a guest who is silent now is not missing."""
        return self._pause is not None

    @property
    def transferring(self) -> bool:
        """The guest is being put through: one who leaves the room now has not hung up."""
        return self._transferring

    @property
    def silent(self) -> bool:
        """Nothing is to be heard of the guest: there is a pause, or it rings at a desk."""
        return self.paused or self.transferring

    def answers(self, words: str) -> bool:
        """Whether what the guest has just said is to be answered. In a pause only what ends the pause is."""
        if self.paused and not rules.wakes(words):
            return False
        self._resume()
        return True

    def start(self) -> None:
        for name, work in (("commands", self._take()), ("call control", self._work())):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def close(self, *, over: bool = True) -> None:
        """Stop, and answer what is left: the call has ended. What itself ended the call may end first. Safe twice.

        Not `over`: the call goes on elsewhere, and what is left is left to whoever takes it.
        """
        if self._leaving:
            await asyncio.wait(self._tasks[1:2], timeout=_LEAVING_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._resume()
        for command in list(self._open.values()) if over else []:
            await self._answer(command, rules.CALL_ENDED)

    async def _take(self) -> None:
        async for command in self._line.commands():
            if command.command_id not in self._seen:
                self._seen.add(command.command_id)
                self._open[command.command_id] = command
                self._news.set()

    async def _work(self) -> None:
        while not self._leaving:
            while not self._open:
                self._news.clear()
                await self._news.wait()
            await self._carry_out(next(iter(self._open.values())))

    async def _carry_out(self, command: CallCommand) -> None:
        why, apology = "", ""
        try:
            check_command(command.command)
            await self._do(command)
        except NotDone as error:
            why, apology = error.detail, error.apology
        except Exception as error:
            why = _why(error)
        told = {"command": type(command.command).__name__, "command_id": command.command_id}
        _log.info("command not done" if why else "command done", extra={**told, "why": why} if why else told)
        await self._answer(command, why)
        if apology:
            await self._say(apology)

    async def _do(self, command: CallCommand) -> None:
        match command.command:
            case HangUp():
                await self._promised(command)
                self._leave(EndReason.CONCIERGE)
                await self._switchboard.hang_up()
            case Transfer(to=to):
                await self._transfer(command, to)
            case Pause(seconds=seconds):
                await self._promised(command)
                self._resume()
                self._pause = self._later(rules.pause_s(seconds), self._pause_is_over)
            case Resume():
                if self.paused:
                    self._resume()
                    await self._say(rules.LISTENING_AGAIN)
            case Say(text=text):
                await self._talk.say(text)
            case Show():
                raise NotDone(rules.NO_CARDS)

    async def _promised(self, command: CallCommand) -> None:
        """Wait until the reply that promised it has been heard. Raises `NotDone` when the guest has gone on instead."""
        if command.overtaken or not await self._talk.spoken(command.turn_id, _SPOKEN_WITHIN_S):
            raise NotDone(rules.GUEST_WENT_ON)

    async def _transfer(self, command: CallCommand, to: str) -> None:
        if command.inherited:  # another may have begun: nobody is put through twice
            raise NotDone(rules.NOT_KNOWN, rules.OUTCOME_NOT_KNOWN)
        await self._promised(command)
        address = rules.address_of(to, self._desks, by_staff=command.by_staff)
        if not address:
            raise NotDone(rules.NO_SUCH_DESK, rules.NOT_PUT_THROUGH)
        self._transferring = True
        try:
            async with asyncio.timeout(_TRANSFER_WITHIN_S):
                await self._switchboard.transfer(address)
        except Exception as error:
            raise NotDone(_why(error), rules.NOT_PUT_THROUGH) from error
        else:
            self._leave(EndReason.TRANSFERRED)
        finally:
            self._transferring = False

    def _leave(self, reason: EndReason) -> None:
        """From here on the call ends, whatever comes of the rest."""
        self._leaving = True
        self._talk.end(reason)

    def _resume(self) -> None:
        if self._pause:
            self._pause.cancel()
            self._pause = None

    def _pause_is_over(self) -> None:
        self._pause = None
        self._tasks.append(asyncio.create_task(self._say(rules.STILL_THERE), name="pause is over"))

    async def _say(self, text: str) -> None:
        """A voice that fails costs a sentence, no command after it."""
        try:
            await self._talk.say(text)
        except Exception as error:
            _log.warning("call control could not speak", extra={"error": type(error).__name__})

    async def _answer(self, command: CallCommand, why: str) -> None:
        """Answer a command; it stays open when this is cancelled."""
        try:
            await self._line.command_done(command.command_id, ok=not why, detail=why)
        except BotelError as error:
            _log.warning("command not answered", extra={"command_id": command.command_id, "reason": error.code})
        self._open.pop(command.command_id, None)


def _why(error: Exception) -> str:
    """For the record: what a provider's error says may be anything, ours says what is meant."""
    if isinstance(error, TimeoutError):
        return rules.NO_ANSWER_IN_TIME
    if isinstance(error, BotelError):
        return error.detail
    # An error's text may repeat the guest's words.
    _log.error("command failed", extra={"error": type(error).__name__})
    _log.debug("command failed here", exc_info=error)
    return type(error).__name__
