"""Errors that exist only on HTTP, and the status of every typed error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from libs.contracts.errors import BotelError, Retry

_RETRY_AFTER_S: Mapping[str, int] = {"busy": 2, "overloaded": 2, "bus-unavailable": 1, "slow-reader": 1}
_STATUS: Mapping[str, int] = {
    "invalid-request": 422,
    "too-large": 413,
    "unknown-conversation": 404,
    "busy": 429,
    "overloaded": 503,
    "cancelled": 409,
    "bus-unavailable": 503,
    "slow-reader": 503,
    "malformed": 422,
    "future-version": 422,
}


class WebError(BotelError):
    """An error with a status of its own. `members` are told with it, beside what every problem has."""

    status: ClassVar[int] = 400
    retry_after_s: int = 0
    """Told as `Retry-After`; 0: not told."""

    def __init__(self, detail: str = "", **members: str) -> None:
        super().__init__(detail)
        self.members = members


class MalformedJson(WebError):
    code = "malformed-json"
    status = 400
    advice = "The body is not JSON in UTF-8."


class Unauthorized(WebError):
    code = "unauthorized"
    status = 401
    advice = "Send the property's key as `Authorization: Bearer <key>`."


class WrongProperty(WebError):
    code = "wrong-property"
    status = 403
    advice = "This key is not for that property."


class NotFound(WebError):
    code = "not-found"
    status = 404
    advice = "There is nothing at this address."


class MethodNotAllowed(WebError):
    code = "method-not-allowed"
    status = 405
    advice = "This address does not take that method."


class UnsupportedMedia(WebError):
    code = "unsupported-media"
    status = 415
    advice = "Send JSON, with `Content-Type: application/json`."


class TooManyStreams(WebError):
    code = "too-many-streams"
    status = 503
    retry_after_s = 2
    retry = Retry.LATER
    advice = "This server has as many open event streams as it takes: try again in a moment."


class TooManyRequests(WebError):
    code = "too-many-requests"
    status = 429
    retry = Retry.LATER
    advice = "This key asks too often: wait as long as `Retry-After` says."

    def __init__(self, what: str, wait_s: int) -> None:
        super().__init__(f"Too many {what} with this key: the next is taken in {wait_s} s.", what=what)
        self.retry_after_s = wait_s


def status_of(error: BotelError) -> int:
    """The HTTP status of an error; 500 for one that should not have come this far."""
    return error.status if isinstance(error, WebError) else _STATUS.get(error.code, 500)


def retry_after_s(error: BotelError) -> int:
    """Seconds that the caller is asked to wait; 0: nothing is asked."""
    return error.retry_after_s if isinstance(error, WebError) else _RETRY_AFTER_S.get(error.code, 0)
