"""One run of one turn: what the handler sees, what it records, and why it ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from libs.bus.bus import Bus
from libs.bus.draft import Draft
from libs.bus.effects import Effects
from libs.bus.handler import Done, Handler, JournalEvent, TurnStopped
from libs.bus.insisting import insist
from libs.bus.tracing import Span
from libs.contracts.codec import encode
from libs.contracts.errors import BusFull
from libs.contracts.events import AnyEvent, CommandRequested, MessageReceived, ToolCompleted
from libs.contracts.keys import Keys
from libs.contracts.turns import Grant

T = TypeVar("T")


class Run:
    """Implements `handler.Turn`; its text goes by way of `draft`."""

    def __init__(
        self,
        bus: Bus,
        keys: Keys,
        worker_id: str,
        grant: Grant,
        message: MessageReceived,
        events: Sequence[AnyEvent],
        context: Mapping[str, str],
        span: Span,
    ) -> None:
        self._bus, self._keys = bus, keys
        self._grant, self._message, self._events, self._context = grant, message, events, context
        self.span = span
        self.stopped = ""
        """Why nothing more is said: cancelled, fenced, lapsed, full, given up, ...; '' while all is well."""
        self.draft = Draft(bus, keys, worker_id, grant, span.trace, stopped=lambda: self.stopped, stop=self.stop)
        self._effects = Effects(lambda: bool(self.stopped))
        self._task: asyncio.Task[Done] | None = None
        self.done = Done()
        """What the handler has told of its reply so far."""
        self.started, self.first_words_ms = time.monotonic(), 0.0  # 0: none yet, or begun by an earlier run

    # What the handler sees

    @property
    def grant(self) -> Grant:
        return self._grant

    @property
    def message(self) -> MessageReceived:
        return self._message

    @property
    def events(self) -> Sequence[AnyEvent]:
        return self._events

    @property
    def context(self) -> Mapping[str, str]:
        return self._context

    @property
    def trace(self) -> str:
        return self.span.trace

    @property
    def offset(self) -> int:
        return self.draft.length

    async def journal(self, event: JournalEvent) -> None:
        """See `handler.Turn.journal`."""
        begins = not isinstance(event, ToolCompleted)
        if self.stopped == "fenced" or (begins and self.stopped):
            raise TurnStopped(self.stopped)
        write = partial(self._journal_in_order, event, begins)
        reply = await insist(write, lambda: self.stopped, self._bus.observer, "journal")
        outcome = reply[0].decode()
        if outcome in ("fenced", "cancelled", "gap"):
            self.stop(outcome)
        if outcome in ("fenced", "gap") or (outcome == "cancelled" and begins):
            raise TurnStopped(outcome)
        task = asyncio.current_task()
        if self.stopped and task and task is self._task:
            task.cancel()  # recorded; but there is nothing left to go on for

    async def _journal_in_order(self, event: JournalEvent, begins: bool) -> list[Any]:
        """After all text so far; `BusFull` when Redis had refused some of it: it is sent again first."""
        self.draft.flush(force=True)
        reply: list[Any] = await self._journal(event, begins)
        if reply[0] == b"gap" and not self.stopped:
            self.draft.resend_from(reply[1])
            raise BusFull("words before the tool call have not landed")
        return reply

    def _journal(self, event: JournalEvent, begins: bool) -> asyncio.Future[Any]:
        conversation, keys = self._grant.conversation_id, self._keys
        behind = self.offset if isinstance(event, CommandRequested) else event.draft_offset
        return self._bus.commands.call(
            "journal",
            [
                keys.conv(conversation),
                keys.log(conversation),
                keys.events,
                keys.draft(conversation),
                keys.seen(conversation, event.id),
                *map(keys.chunks, self.draft.gateways),
            ],
            [
                *self.draft.fence,
                conversation,
                encode(event),
                self._bus.settings.dedup_s,
                behind,
                "1" if begins else "",
                self._bus.settings.max_chunk_stream,
            ],
        )

    async def effect(self, work: Callable[[], Awaitable[T]]) -> T:
        """See `handler.Turn.effect`."""
        return await self._effects.run(work)

    # What the worker does

    async def answer(self, handler: Handler) -> Done:
        """Drive the handler to its end. Raises `TurnStopped` when the run was stopped, else what the handler raised."""
        if self.stopped:
            raise TurnStopped(self.stopped)
        self.draft.flush()
        self._task = asyncio.create_task(self._drive(handler), name=f"turn {self._grant.item.turn_id}")
        try:
            return await self._task
        except asyncio.CancelledError:
            if self.stopped and not _being_cancelled():
                raise TurnStopped(self.stopped) from None
            self.stop("given up")
            raise
        finally:
            self.draft.close()
            await self._settle()

    def stop(self, why: str) -> None:
        """Stop the handler at once; the first reason stands."""
        if why == "fenced" != self.stopped:  # also of a run whose lease has lapsed: a write of it was refused
            self._bus.observer.fenced("run")
        if not self.stopped:
            self.stopped = why
            if self._task and self._task is not asyncio.current_task():
                self._task.cancel()

    async def confirm(self) -> None:
        """Ask Redis whether this run may still go on; it stops if not."""
        if self._task and not self._task.done() and (why := await self.draft.refused()):
            self.stop(why)

    async def _drive(self, handler: Handler) -> Done:
        async with contextlib.aclosing(handler(self)) as steps:
            async for step in steps:
                if self.stopped:
                    raise TurnStopped(self.stopped)
                if isinstance(step, Done):
                    self.done = step
                elif step:
                    self._take(step.encode())
        return self.done

    def _take(self, words: bytes) -> None:
        if self.draft.length + len(words) > self._bus.settings.max_draft_bytes:
            self.stop("full")
            raise TurnStopped(self.stopped)
        if not self.draft.length:
            self.first_words_ms = (time.monotonic() - self.started) * 1000
        self.draft.write(words)

    async def _settle(self) -> None:
        """The handler has closed, and a side effect that has begun ends and is journalled, before the turn ends.

        Whoever hastens this hastens the handler; nobody cuts a side effect in two.
        """
        hastened = False
        while left := [task for task in (self._task, *self._effects.running) if task and not task.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError:
                hastened = True
                if self._task:
                    self._task.cancel()
        if hastened:
            raise asyncio.CancelledError


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
