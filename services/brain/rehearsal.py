"""A turn without a bus: a brain can be tried, tested and measured by hand. It keeps the promises of `handler.Turn`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from libs.bus.handler import Done, Handler, JournalEvent, TurnStopped
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    ConversationOpened,
    MessageReceived,
    ReplyGenerated,
    ReplyHeard,
    ReplyStatus,
    ToolCompleted,
)
from libs.contracts.turns import Grant, MailboxItem, Verdict
from services.brain.turn_context import CALL

T = TypeVar("T")


class RehearsedTurn:
    """Implements `handler.Turn` over a list of events, which the journal grows."""

    def __init__(self, log: list[AnyEvent], message: MessageReceived, grant: Grant, context: Mapping[str, str]) -> None:
        self.log = log
        self._message, self._grant, self._context = message, grant, dict(context)
        self._events = list(log)
        self._effects: set[asyncio.Task[Any]] = set()
        self.text = grant.draft
        self.cancelled = False
        self.journalled: list[JournalEvent] = []

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
        return self._message.trace

    @property
    def offset(self) -> int:
        return len(self.text.encode())

    async def journal(self, event: JournalEvent) -> None:
        """Record once per event id; refuses to begin a side effect of a cancelled turn."""
        if self.cancelled and not isinstance(event, ToolCompleted):
            raise TurnStopped("cancelled")
        if all(known.id != event.id for known in self.log):
            numbered = msgspec.structs.replace(event, number=len(self.log) + 1)
            self.log.append(numbered)
            self.journalled.append(numbered)

    async def effect(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run to the end even if the caller is cancelled; `run` ends only after it."""
        task: asyncio.Task[T] = asyncio.ensure_future(_await(work))
        self._effects.add(task)
        task.add_done_callback(self._effects.discard)
        return await asyncio.shield(task)

    async def run(self, handler: Handler, on_text: Callable[[str], None] | None = None) -> Done:
        """Drive the handler as a worker does; `on_text` sees every piece. Cancel the task to interrupt it."""
        done = Done()
        try:
            async with contextlib.aclosing(handler(self)) as steps:
                async for step in steps:
                    if isinstance(step, Done):
                        done = step
                    else:
                        self.text += step
                        if on_text:
                            on_text(step)
        finally:
            while self._effects:
                await asyncio.wait(self._effects)
        return done


class Rehearsal:
    """One conversation with a handler, in memory: every turn sees the log of those before it."""

    def __init__(
        self,
        handler: Handler,
        *,
        property_id: str = "harbour",
        customer_id: str = "",
        reservation_id: str = "",
        conversation_id: str = "conv-rehearsal",
        call_id: str = "",
    ) -> None:
        self.handler, self._property, self._conversation = handler, property_id, conversation_id
        self._turns = 0
        context = {
            "property_id": property_id,
            "customer_id": customer_id,
            "reservation_id": reservation_id,
            CALL: call_id,
        }
        self.context = {name: value for name, value in context.items() if value}
        opened = ConversationOpened(
            id=f"{conversation_id}.opened",
            time_ms=0,
            property_id=property_id,
            conversation_id=conversation_id,
            author=Author.SYSTEM,
            channel=Channel.SYSTEM,
            reservation_id=reservation_id,
            customer_id=customer_id,
            number=1,
        )
        self.log: list[AnyEvent] = [opened]

    def accept(self, text: str, channel: Channel = Channel.VOICE) -> RehearsedTurn:
        """A guest's line, and the turn that answers it."""
        self._turns += 1
        turn_id = f"turn-{self._turns}"
        message = MessageReceived(
            id=turn_id,
            turn_id=turn_id,
            time_ms=self._turns,
            property_id=self._property,
            conversation_id=self._conversation,
            author=Author.GUEST,
            channel=channel,
            text=text,
            number=len(self.log) + 1,
        )
        self.log.append(message)
        return self.again(message)

    def again(self, message: MessageReceived, *, draft: str = "", attempt: int = 1) -> RehearsedTurn:
        """Another run of a turn: a successor has `attempt` 2 and what was emitted as `draft`."""
        grant = Grant(
            conversation_id=self._conversation,
            item=MailboxItem(message.turn_id, message.number, 0, 0),
            epoch=attempt,
            attempt=attempt,
            verdict=Verdict.GO,
            draft=draft,
            last_number=len(self.log),
            subscribers=(),
            subscriber_version=0,
        )
        return RehearsedTurn(self.log, message, grant, self.context)

    async def say(self, text: str, channel: Channel = Channel.VOICE) -> str:
        """A whole turn; the reply, which counts as heard to its end."""
        turn = self.accept(text, channel)
        done = await turn.run(self.handler)
        self.commit(turn, ReplyStatus.FAILED if done.failed else ReplyStatus.FINISHED, done)
        return turn.text

    async def text(self, text: str) -> str:
        return await self.say(text, Channel.TEXT)

    def commit(self, turn: RehearsedTurn, status: ReplyStatus, done: Done | None = None) -> None:
        """Write the reply down as a worker does."""
        message = turn.message
        self._append(
            ReplyGenerated(
                id=f"{message.turn_id}.reply",
                time_ms=message.time_ms,
                property_id=self._property,
                conversation_id=self._conversation,
                turn_id=message.turn_id,
                author=Author.CONCIERGE,
                channel=message.channel,
                text=turn.text,
                status=status,
                reason=done.reason if done else "",
                model=done.model if done else "",
                usage=done.usage if done else None,
            )
        )

    def heard(self, turn: RehearsedTurn, text: str) -> None:
        """The guest interrupted and heard only this."""
        message = turn.message
        self._append(
            ReplyHeard(
                id=f"{message.turn_id}.heard",
                time_ms=message.time_ms,
                property_id=self._property,
                conversation_id=self._conversation,
                turn_id=message.turn_id,
                author=Author.SYSTEM,
                channel=message.channel,
                text=text,
                complete=False,
            )
        )

    def _append(self, event: AnyEvent) -> None:
        self.log.append(msgspec.structs.replace(event, number=len(self.log) + 1))


async def _await(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
