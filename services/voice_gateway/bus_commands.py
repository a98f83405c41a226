"""Which commands of a conversation are this call's, in order and each once; and which the gateway before has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from libs.contracts.events import AnyEvent, Author, Channel, CommandCompleted, CommandRequested, MessageReceived
from services.voice_gateway.ports import CallCommand


class Commands:
    """Told every event of the conversation. Commands count once it is known which call this is."""

    def __init__(self) -> None:
        self._call_id = ""
        self._known: dict[str, tuple[str, str]] = {}
        """Turn and traceparent of every command that was seen."""
        self._answered: set[str] = set()
        self._queue: asyncio.Queue[CallCommand | None] = asyncio.Queue()
        self._closed = False

    def begin(self, call_id: str) -> None:
        self._call_id = call_id

    def see(self, event: AnyEvent, *, inherited: bool = False, overtaken: bool = False) -> None:
        """Take a command that is meant for this call, unless it is known or answered."""
        if isinstance(event, CommandCompleted):
            self._answered.add(event.command_id)
        if not isinstance(event, CommandRequested) or not self._is_mine(event):
            return
        self._known[event.command_id] = event.turn_id, event.trace
        if not self._closed:
            self._queue.put_nowait(
                CallCommand(
                    command_id=event.command_id,
                    command=event.command,
                    turn_id=event.turn_id,
                    by_staff=event.author is Author.STAFF,
                    inherited=inherited,
                    overtaken=overtaken,
                )
            )

    def inherit(self, events: Iterable[AnyEvent]) -> None:
        """Take what was requested of this call before this gateway had it, and is not answered. `events`: in order."""
        seen = list(events)
        self._answered |= {event.command_id for event in seen if isinstance(event, CommandCompleted)}
        said = [event.number for event in seen if isinstance(event, MessageReceived) and event.channel is Channel.VOICE]
        for event in seen:
            self.see(event, inherited=True, overtaken=bool(said) and event.number < said[-1])

    def origin(self, command_id: str) -> tuple[str, str]:
        """Turn and traceparent of the request; '' for what is not known."""
        return self._known.get(command_id, ("", ""))

    async def __aiter__(self) -> AsyncIterator[CallCommand]:
        while (command := await self._queue.get()) is not None:
            if command.command_id not in self._answered:  # by the gateway before, which was only slow
                yield command

    def close(self) -> None:
        """The iteration ends behind what is queued; idempotent."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)

    def _is_mine(self, event: CommandRequested) -> bool:
        known = event.command_id in self._known or event.command_id in self._answered
        return bool(self._call_id) and not known and event.call_id in ("", self._call_id)
