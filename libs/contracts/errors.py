"""One small tree of errors. Each carries a stable code, its retry verdict and what the caller can do about it.

Adapters decide the verdict once, where the failure is seen; nobody above guesses.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class Retry(enum.StrEnum):
    """What the caller should do with the same request."""

    NEVER = "never"
    """The same request fails again: change it."""
    LATER = "later"
    """Nothing was written; the same request may succeed in a moment."""
    SAME_ID = "same-id"
    """The outcome is unknown; repeat with the same id, which takes effect once."""


class BotelError(Exception):
    """Base of every error that crosses a service boundary."""

    code: ClassVar[str] = "internal"
    retry: ClassVar[Retry] = Retry.NEVER
    advice: ClassVar[str] = "This is a bug: report it with the conversation and turn id."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.advice)
        self.detail = detail or self.advice


class InvalidRequest(BotelError):
    code = "invalid-request"
    advice = "Correct the request: the detail names the field."


class TooLarge(BotelError):
    code = "too-large"
    advice = "Send a shorter message."


class UnknownConversation(BotelError):
    code = "unknown-conversation"
    advice = "Open the conversation first, with the key of the property it belongs to."


class ConversationBusy(BotelError):
    code = "busy"
    retry = Retry.LATER
    advice = "This conversation has too many unanswered messages: wait for an answer."


class Overloaded(BotelError):
    code = "overloaded"
    retry = Retry.LATER
    advice = "Too many conversations wait for an answer: try again in a moment."


class TurnCancelled(BotelError):
    code = "cancelled"
    advice = "This turn was cancelled before it arrived: send a new one."


class BusUnavailable(BotelError):
    code = "bus-unavailable"
    retry = Retry.SAME_ID
    advice = "Redis did not answer: repeat with the same idempotency key."


class BusFull(BusUnavailable):
    """Redis has no memory left (OOM) or cannot write its disk (MISCONF): it reads, and refuses what writes."""

    retry = Retry.LATER
    advice = "Redis takes no writes: give it memory or disk. Nothing was written; try again in a moment."


class BusDenied(BusUnavailable):
    """Nothing was written, and nothing will be before somebody corrects REDIS_URL or the user's rights."""

    retry = Retry.NEVER
    advice = "Redis refuses the user, the password or their rights: correct REDIS_URL."

    def __init__(self, detail: str = "", *, right: bool = False) -> None:
        super().__init__(detail)
        self.right = right
        """The user is known, and may not do this."""


class MalformedMessage(BotelError):
    code = "malformed"
    advice = "The message does not decode: it is kept as a dead letter with this reason."


class FutureVersion(MalformedMessage):
    code = "future-version"
    advice = "The message was written by a newer release: upgrade this service, then replay it."
