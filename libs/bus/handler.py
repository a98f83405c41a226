"""What a brain gives the bus, and what the bus gives a brain.

A handler is a generator: it yields pieces of the reply as text, and last one `Done`. It may yield a `Done` before, with
what it knows so far: of a reply that is stopped, that is kept. It does no I/O of the bus itself; the worker publishes
every yield, fenced. Tests drive it by hand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from libs.contracts.errors import BotelError, Retry
from libs.contracts.events import AnyEvent, CommandRequested, MessageReceived, ToolCompleted, ToolRequested, Usage
from libs.contracts.turns import Grant

T = TypeVar("T")
JournalEvent = ToolRequested | ToolCompleted | CommandRequested
"""What a run records of what it does."""


class TurnStopped(BotelError):
    """The turn is cancelled, or another run has it: stop at once and yield nothing more. Never swallow it."""

    code = "turn-stopped"
    retry = Retry.NEVER
    advice = "Stop: nothing that this run emits is accepted any more."


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the reply besides its text; the last one counts."""

    model: str = ""
    usage: Usage | None = None
    first_token_ms: float = 0.0
    """Model asked -> its first words."""
    failed: bool = False
    """The text is an apology: the reply is recorded as failed."""
    reason: str = ""


class Turn(Protocol):
    """One turn to answer. Everything that a handler may see or do."""

    @property
    def grant(self) -> Grant: ...

    @property
    def message(self) -> MessageReceived:
        """What the guest said."""

    @property
    def events(self) -> Sequence[AnyEvent]:
        """The conversation's log so far, oldest first, the message included."""

    @property
    def context(self) -> Mapping[str, str]:
        """Guest, reservation, property and channel data."""

    @property
    def trace(self) -> str:
        """The traceparent that what this run records and asks bears; '' for none."""

    @property
    def offset(self) -> int:
        """UTF-8 bytes of the reply yielded so far, the draft of an earlier run included."""

    async def journal(self, event: JournalEvent) -> None:
        """Record a tool call or a command durably, once per event id, after all text yielded so far.

        Raises `TurnStopped` when this run no longer owns the turn, and for a `ToolRequested` or a `CommandRequested`
        of a cancelled turn (the side effect must not begin). A `ToolCompleted` of a cancelled turn is kept: the effect
        has happened. A command is requested by its record: whoever follows the conversation has it from there.
        """

    async def effect(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a side effect to its end even if the turn is cancelled meanwhile; the turn ends only after it."""


Handler = Callable[[Turn], AsyncGenerator[str | Done, None]]
