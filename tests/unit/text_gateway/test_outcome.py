"""What the end of a turn means to the client that waits."""

from __future__ import annotations

import pytest

from libs.contracts.errors import BotelError
from libs.contracts.events import ReplyStatus
from libs.web.errors import status_of
from services.text_gateway.domain.outcome import failure_of
from services.text_gateway.errors import ReplyCancelled, ReplyExpired, ReplyFailed
from tests.talk import Talk


@pytest.mark.parametrize(
    ("status", "text", "error", "code"),
    [
        (ReplyStatus.FINISHED, "Yes.", None, 200),
        (ReplyStatus.FINISHED, "", None, 200),
        (ReplyStatus.FAILED, "I am sorry.", None, 200),
        (ReplyStatus.FAILED, " ", ReplyFailed, 502),
        (ReplyStatus.CANCELLED, "Ye", ReplyCancelled, 409),
        (ReplyStatus.EXPIRED, "", ReplyExpired, 503),
        (ReplyStatus.DEAD, "", ReplyFailed, 502),
    ],
)
def test_outcome(status: ReplyStatus, text: str, error: type[BotelError] | None, code: int) -> None:
    failure = failure_of(Talk().says(text, "turn-1", status=status))

    if error is None:
        assert failure is None
    else:
        assert isinstance(failure, error)
        assert status_of(failure) == code
        assert failure.members["turnId"] == "turn-1"  # type: ignore[attr-defined]
