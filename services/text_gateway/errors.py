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
    retry_after_s = 60
    advice = "Voice sessions need LiveKit: set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."


class RoomsUnavailable(WebError):
    """LiveKit is down, slow or broken. Nothing was opened."""

    code = "rooms-unavailable"
    status = 503
    retry_after_s = 2
    retry = Retry.LATER
    advice = "LiveKit does not answer: try again in a moment, or write instead."


class RoomsRefused(WebError):
    """Nothing was opened, and nothing will be before somebody corrects the key."""

    code = "rooms-refused"
    status = 503
    retry_after_s = 60
    advice = "LiveKit refuses the key: correct LIVEKIT_API_KEY and LIVEKIT_API_SECRET."


class WebhookDeferred(WebError):
    """LiveKit tries five times, as far apart as it is asked to: twenty seconds outlast a failover of Redis."""

    code = "webhook-deferred"
    status = 503
    retry_after_s = 5
    retry = Retry.LATER
    advice = "This cannot be recorded now: send it again."


class BadSignature(WebError):
    code = "bad-signature"
    status = 401
    advice = "The webhook is not signed with this server's LIVEKIT_API_KEY and LIVEKIT_API_SECRET."
