"""One run of one turn: what the handler sees, and everything it emits on its way to Redis, fenced and in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from libs.bus.bus import Bus
from libs.bus.handler import Done, Handler, TurnStopped
from libs.contracts.codec import encode
from libs.contracts.errors import BotelError
from libs.contracts.events import AnyEvent, MessageReceived, ToolCompleted, ToolRequested
from libs.contracts.keys import Keys
from libs.contracts.turns import Grant

T = TypeVar("T")


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
    ) -> None:
        self._bus, self._keys, self._worker = bus, keys, worker_id
        self._grant, self._message, self._events, self._context = grant, message, events, context
        self._gateways = list(grant.subscribers)
        self._version = grant.subscriber_version
        self._fence = (worker_id, grant.epoch, grant.item.turn_id)
        self._emit_keys = self._keys_of_emit()
        self._text = bytearray(grant.draft.encode())
        self._sent = 0
        """Bytes handed to emit. A successor's first emit is the whole draft, for gateways that missed a part."""
        self._in_flight: asyncio.Future[Any] | None = None
        self._effects: set[asyncio.Task[Any]] = set()
        self._task: asyncio.Task[Done] | None = None
        self.stopped = ""
        """Why nothing more is accepted: cancelled, fenced, lapsed or full; '' while all is well."""
        self.started = time.monotonic()

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
    def offset(self) -> int:
        return len(self._text)

    async def journal(self, event: ToolRequested | ToolCompleted) -> None:
        """See `handler.Turn.journal`."""
        if self.stopped and self.stopped != "cancelled":
            raise TurnStopped(self.stopped)
        self._flush(force=True)
        grant, keys = self._grant, self._keys
        conversation = grant.conversation_id
        begins = isinstance(event, ToolRequested)
        reply = await self._bus.commands.call(
            "journal",
            [
                keys.conv(conversation),
                keys.log(conversation),
                keys.events,
                keys.draft(conversation),
                keys.seen(conversation, event.id),
                *map(keys.chunks, self._gateways),
            ],
            [
                self._worker,
                grant.epoch,
                grant.item.turn_id,
                conversation,
                encode(event),
                self._bus.settings.dedup_s,
                event.draft_offset,
                "1" if begins else "",
                self._bus.settings.max_chunk_stream,
            ],
        )
        outcome = reply[0].decode()
        if outcome in ("fenced", "cancelled"):
            self.stop(outcome)
        if outcome in ("fenced", "gap") or (outcome == "cancelled" and begins):
            raise TurnStopped(outcome)

    async def effect(self, work: Callable[[], Awaitable[T]]) -> T:
        """See `handler.Turn.effect`."""
        task: asyncio.Task[T] = asyncio.ensure_future(_await(work))
        self._effects.add(task)
        task.add_done_callback(self._effects.discard)
        return await asyncio.shield(task)

    # What the worker does

    async def answer(self, handler: Handler) -> Done:
        """Drive the handler to its end. Raises `TurnStopped` when the run was stopped, else what the handler raised."""
        self._flush()
        self._task = asyncio.create_task(self._drive(handler), name=f"turn {self._grant.item.turn_id}")
        try:
            return await self._task
        except asyncio.CancelledError:
            if self.stopped and not _being_cancelled():
                raise TurnStopped(self.stopped) from None
            self._task.cancel()
            raise
        finally:
            await self._settle_effects()

    def stop(self, why: str) -> None:
        """Stop the handler at once; the first reason stands."""
        if not self.stopped:
            self.stopped = why
            if why == "fenced":
                self._bus.observer.fenced("run")
            if self._task and self._task is not asyncio.current_task():
                self._task.cancel()

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

    @property
    def gateways(self) -> list[str]:
        return self._gateways

    @property
    def version(self) -> int:
        return self._version

    async def _drive(self, handler: Handler) -> Done:
        done = Done()
        async with contextlib.aclosing(handler(self)) as steps:
            async for step in steps:
                if self.stopped:
                    raise TurnStopped(self.stopped)
                if isinstance(step, Done):
                    done = step
                elif step:
                    self._text += step.encode()
                    self._flush()
        return done

    def _flush(self, *, force: bool = False) -> None:
        """Send what is unsent, unless an emit is on its way and nothing forces the order."""
        if self.stopped or self._sent >= len(self._text) or (self._in_flight and not force):
            return
        offset, words = self.unsent()
        self._sent = len(self._text)
        self._in_flight = sent = self._emit(offset, words)
        sent.add_done_callback(self._landed)

    def _emit(self, offset: int, words: bytes) -> asyncio.Future[Any]:
        settings, conversation = self._bus.settings, self._grant.conversation_id
        limits = (settings.max_draft_bytes, conversation, settings.max_chunk_stream)
        return self._bus.commands.call("emit", self._emit_keys, (*self._fence, offset, words, *limits))

    def _keys_of_emit(self) -> list[str]:
        keys, conversation = self._keys, self._grant.conversation_id
        return [keys.conv(conversation), keys.draft(conversation), *map(keys.chunks, self._gateways)]

    def _landed(self, sent: asyncio.Future[Any]) -> None:
        if self._in_flight is sent:
            self._in_flight = None
        if sent.cancelled():
            return
        error = sent.exception()
        if error is not None:
            self.stop(error.code if isinstance(error, BotelError) else "fenced")
            return
        outcome, *rest = sent.result()
        match outcome:
            case b"ok":
                if rest[1] != self._version:
                    self._refresh(rest[1])
                self._flush()
            case b"gap":
                self._sent = rest[0]
                self._flush()
            case _:
                self.stop(outcome.decode())

    def _refresh(self, version: int) -> None:
        """Somebody began to follow: learn who, for the next emit."""
        self._version = version
        asked = self._bus.commands.send("ZRANGE", self._keys.subs(self._grant.conversation_id), 0, -1)
        asked.add_done_callback(self._learn)

    def _learn(self, asked: asyncio.Future[Any]) -> None:
        if not asked.cancelled() and asked.exception() is None:
            self._gateways = [gateway.decode() for gateway in asked.result()]
            self._emit_keys = self._keys_of_emit()

    async def _settle_effects(self) -> None:
        """A side effect that has begun ends, and is journalled, before the turn is committed."""
        while self._effects:
            await asyncio.wait(self._effects)


async def _await(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
