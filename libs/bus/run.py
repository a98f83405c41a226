"""One run of one turn: what the handler sees, and everything it emits on its way to Redis, fenced and in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from libs.bus.bus import Bus
from libs.bus.effects import Effects
from libs.bus.handler import Done, Handler, JournalEvent, TurnStopped
from libs.bus.insisting import PAUSE_S, insist
from libs.bus.late import tell_late
from libs.bus.run_span import FirstWords
from libs.bus.tracing import Span
from libs.contracts.codec import encode
from libs.contracts.errors import BotelError, BusFull
from libs.contracts.events import AnyEvent, CommandRequested, MessageReceived, ToolCompleted
from libs.contracts.keys import Keys
from libs.contracts.turns import Grant

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Run:
    """Implements `handler.Turn`. Emits are coalesced per run: one on its way, what comes meanwhile goes next."""

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
        self._bus, self._keys, self._worker = bus, keys, worker_id
        self._grant, self._message, self._events, self._context = grant, message, events, context
        self.gateways, self.version, self.span = list(grant.subscribers), grant.subscriber_version, span
        self._first = FirstWords(bus.tracer, self.span.trace)
        self._fence = (worker_id, grant.epoch, grant.item.turn_id)
        self._emit_keys = self._keys_of_emit()
        self._text = bytearray(grant.draft.encode())
        self._sent = 0
        """Bytes handed to emit. A successor's first emit is the whole draft, for gateways that missed a part."""
        self._in_flight: asyncio.Future[Any] | None = None
        self._asked: asyncio.Future[Any] | None = None
        """Who follows, while the answer is on its way."""
        self._effects = Effects(lambda: bool(self.stopped))
        self._task: asyncio.Task[Done] | None = None
        self.stopped = ""
        """Why nothing more is said: cancelled, fenced, lapsed, full, given up, ...; '' while all is well."""
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
        return len(self._text)

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
        self._flush(force=True)
        reply: list[Any] = await self._journal(event, begins)
        if reply[0] == b"gap" and not self.stopped:
            self.resend_from(reply[1])
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
                *map(keys.chunks, self.gateways),
            ],
            [
                *self._fence,
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
        self._flush()
        self._task = asyncio.create_task(self._drive(handler), name=f"turn {self._grant.item.turn_id}")
        try:
            return await self._task
        except asyncio.CancelledError:
            if self.stopped and not _being_cancelled():
                raise TurnStopped(self.stopped) from None
            self.stop("given up")
            raise
        finally:
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
        if self._task and not self._task.done():
            outcome, *_ = await self._emit(0, b"")
            if outcome != b"ok":
                self.stop(outcome.decode())

    async def landed(self) -> int:
        """Bytes of the draft that Redis holds for this run, after all that was sent."""
        reply = await self._emit(0, b"")
        return int(reply[1]) if len(reply) > 1 else 0

    @property
    def text(self) -> str:
        return self._text.decode()

    def text_up_to(self, length: int) -> str:
        """The first bytes of the reply; never half a character, because every emit was whole text."""
        return self._text[:length].decode(errors="ignore")

    def unsent(self) -> tuple[int, bytes]:
        """Offset and bytes of what no emit carries yet: the commit takes them as its last words."""
        return self._sent, bytes(self._text[self._sent :])

    def resend_from(self, length: int) -> None:
        """An emit did not land: what is beyond `length` counts as unsent again."""
        self._sent = min(self._sent, length)

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
        """Only whole yields are taken, so that no character is ever cut."""
        if len(self._text) + len(words) > self._bus.settings.max_draft_bytes:
            self.stop("full")
            raise TurnStopped(self.stopped)
        self.first_words_ms = self.first_words_ms if self._text else (time.monotonic() - self.started) * 1000
        self._text += words
        self._flush()

    def _flush(self, *, force: bool = False) -> None:
        """Send what is unsent, unless an emit is on its way and nothing forces the order."""
        if self.stopped or self._sent >= len(self._text) or ((self._in_flight or self._asked) and not force):
            return
        offset, words = self.unsent()
        self._sent = len(self._text)
        self._in_flight = sent = self._emit(offset, words)
        sent.add_done_callback(partial(self._landed, offset))
        self._first.sent(sent)

    def _emit(self, offset: int, words: bytes) -> asyncio.Future[Any]:
        settings, conversation = self._bus.settings, self._grant.conversation_id
        limits = (settings.max_draft_bytes, conversation, settings.max_chunk_stream)
        return self._bus.commands.call("emit", self._emit_keys, (*self._fence, offset, words, *limits, self.span.trace))

    def _keys_of_emit(self) -> list[str]:
        keys, conversation = self._keys, self._grant.conversation_id
        return [keys.conv(conversation), keys.draft(conversation), *map(keys.chunks, self.gateways)]

    def _landed(self, offset: int, sent: asyncio.Future[Any]) -> None:
        if self._in_flight is sent:
            self._in_flight = None
        if sent.cancelled():
            return
        error = sent.exception()
        if isinstance(error, BusFull) and not self.stopped:
            self._bus.observer.refused("emit")
            self.resend_from(offset)
            asyncio.get_running_loop().call_later(PAUSE_S, self._flush_again)
            return
        if error is not None:
            self.stop(error.code if isinstance(error, BotelError) else "fenced")
            return
        outcome, *rest = sent.result()
        match outcome:
            case b"ok":
                if rest[1] != self.version and not self._asked:
                    self._refresh(rest[1])
                self._flush()
            case b"gap":
                self._sent = rest[0]
                self._flush()
            case _:
                self.stop(outcome.decode())

    def _flush_again(self) -> None:
        if self._task and not self._task.done():  # else the commit has taken the words
            self._flush()

    def _refresh(self, version: int) -> None:
        """Somebody began to follow: learn who, before the next emit."""
        self._asked = self._bus.commands.send("ZRANGE", self._keys.subs(self._grant.conversation_id), 0, -1)
        self._asked.add_done_callback(partial(self._learn, version))

    def _learn(self, version: int, asked: asyncio.Future[Any]) -> None:
        self._asked = None
        if not asked.cancelled() and asked.exception() is None:
            known = set(self.gateways)
            self.version, self.gateways = version, [gateway.decode() for gateway in asked.result()]
            self._emit_keys = self._keys_of_emit()
            tell_late(self._bus, self._keys, self._grant, set(self.gateways) - known, self._sent, self.trace)
        self._flush()

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
