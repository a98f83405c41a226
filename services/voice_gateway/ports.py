"""What a call needs from outside: a brain behind a line, and voices. Services' own words; no bus, no LiveKit here."""

from __future__ import annotations

import enum
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

import msgspec

from libs.contracts.commands import AnyCommand
from libs.contracts.errors import BotelError, Retry
from libs.contracts.events import AnyEvent, CallQuality, HeardTimings, ReplyStatus, SpeechTimings


class VoiceUnavailable(BotelError):
    """A speech provider cannot be set up: the detail says what to install or to set."""

    code = "voice-unavailable"
    retry = Retry.NEVER
    advice = "Set the provider's key, or install the `speech` extra for keyless speech."


class NoLineFree(BotelError):
    """As many calls as the gateway takes, or it is about to end."""

    code = "no-line-free"
    retry = Retry.LATER
    advice = "No line is free: call again in a moment."


class UnknownProperty(BotelError):
    code = "unknown-property"
    advice = "This gateway takes no calls for that property: see BOTEL_VOICE_PROPERTIES."


class CallerIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, as far as it is known. A conversation id takes part in that conversation."""

    property_id: str
    customer_id: str = ""
    reservation_id: str = ""
    conversation_id: str = ""


class SpokenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What the guest said, once it is final."""

    turn_id: str
    text: str
    confidence: float = 0.0
    """0 to 1; 0 when the recogniser does not tell."""
    speech: SpeechTimings


class ReplyPiece(msgspec.Struct, frozen=True):
    """Text of the reply, in order; the last one of a turn has `end`."""

    text: str
    end: ReplyStatus | None = None


class HeardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the guest heard of the reply to a turn, the filler left out."""

    turn_id: str
    text: str
    complete: bool
    heard_ms: int
    timings: HeardTimings
    filler: bool = False
    """Something was said first, because the words were late."""
    fallback: bool = False
    """The gateway apologised in place of the reply, or of its rest."""


class CallCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is to be done with the call."""

    command_id: str
    command: AnyCommand
    turn_id: str = ""
    """The turn whose reply promised it; empty: nobody's."""
    by_staff: bool = False
    inherited: bool = False
    """Requested before this gateway had the call: whether another has begun with it is not known."""
    overtaken: bool = False
    """The guest has said something else since."""


class EndReason(enum.StrEnum):
    """Why a call ended."""

    GUEST = "guest-left"
    CONCIERGE = "concierge-hung-up"
    ERROR = "error"
    SHUTDOWN = "shutdown"
    ROOM_CLOSED = "room-finished"
    """By LiveKit or by an operator; its webhook says the same."""
    SILENCE = "guest-silent"
    TRANSFERRED = "transferred"


class BrainLink(Protocol):
    """One call's line to whoever answers. Raises errors of libs.contracts.errors."""

    @property
    def conversation_id(self) -> str: ...

    def ask(self, turn: SpokenTurn, *, deadline_ms: int) -> AsyncGenerator[ReplyPiece, None]:
        """Hand a turn over and stream its reply. An answer that has not begun after `deadline_ms` is not begun.

        Closing the iterator early does not cancel the turn: that is `cancel`.
        """

    def write(self, turn_id: str, text: str) -> AsyncGenerator[ReplyPiece, None]:
        """Hand over what the guest typed in the call, and stream its reply. Nobody hears it: `heard` is not for it."""

    async def unheard(self, within_ms: int) -> tuple[str, str] | None:
        """What the guest said last before this gateway had the call, if nobody knows what they heard of the answer:
        turn and text. Asked again under the same turn id, it is answered from the beginning, and not asked twice."""

    async def cancel(self, turn_id: str) -> None:
        """Stop the answer to a turn. Safe before, during and after it, and twice."""

    async def heard(self, report: HeardReport) -> None:
        """Record what the guest heard; once per turn."""

    async def call_started(self, call_id: str) -> None: ...

    async def call_ended(self, call_id: str, reason: EndReason, duration_ms: int, quality: CallQuality) -> None: ...

    def commands(self) -> AsyncIterator[CallCommand]:
        """What is to be done with this call, from `call_started` on: in the order requested, each once.

        Of a call that another gateway had before, first what that has left unanswered.
        """

    async def command_done(self, command_id: str, *, ok: bool, detail: str = "") -> None:
        """Answer a command; the first answer counts. `detail`: why it was not possible."""

    def elsewhere(self) -> AsyncIterator[AnyEvent]:
        """Events of the conversation that this call did not make: the guest writes, staff steps in, ..."""

    async def close(self) -> None: ...


class Exchange(Protocol):
    """Connects calls to conversations."""

    async def connect(self, caller: CallerIdentity) -> BrainLink:
        """Open or find the caller's conversation. Raises `UnknownConversation`, `InvalidRequest`, `BusUnavailable`."""


class TransferFailed(BotelError):
    """The call stays with the concierge: nobody took it over."""

    code = "transfer-failed"
    retry = Retry.LATER
    advice = "Offer the guest the desk's number, or try again in a moment."


class Switchboard(Protocol):
    """What can be done with the guest's line besides talking."""

    async def hang_up(self) -> None:
        """End the call for everybody in it; safe twice."""

    async def transfer(self, to: str) -> None:
        """Put the guest through to a number or SIP address; returns when somebody has taken over.

        Raises `TransferFailed`, also for a line that cannot be transferred.
        """
