"""Errors of the text channel, with their stable codes."""

from __future__ import annotations

from libs.contracts.errors import Retry
from libs.web.errors import WebError


class EmptyMessage(WebError):
    code = "empty-message"
    status = 422
    advice = "Send a message with words in it."


class IdempotencyConflict(WebError):
    code = "idempotency-conflict"
    status = 409
    advice = "This Idempotency-Key was used for another message: use a new one."


class ReplyTimeout(WebError):
    """The turn goes on; only this request has stopped waiting."""

    code = "reply-timeout"
    status = 504
    retry = Retry.SAME_ID
    advice = "No answer yet: follow the conversation's events, or repeat with the same Idempotency-Key."


class ReplyCancelled(WebError):
    code = "reply-cancelled"
    status = 409
    advice = "The turn was cancelled before its answer was complete."


class ReplyExpired(WebError):
    code = "reply-expired"
    status = 503
    retry = Retry.LATER
    retry_after_s = 2
    advice = "Nobody could begin to answer in time: send the message again, with a new Idempotency-Key."


class ReplyFailed(WebError):
    code = "reply-failed"
    status = 502
    retry = Retry.LATER
    advice = "The concierge could not answer: send the message again, with a new Idempotency-Key."


class VoiceNotConfigured(WebError):
    code = "voice-not-configured"
    status = 503
    advice = "Voice sessions need LiveKit: set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."
