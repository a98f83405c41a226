"""What a follower of a conversation is handed: events, and replies piece by piece."""

from __future__ import annotations

import msgspec

from libs.contracts.errors import Retry, UnknownConversation
from libs.contracts.events import AnyEvent, ReplyStatus


class Piece(msgspec.Struct, frozen=True):
    """Text of a reply, in order and without repetition; the last piece of a turn has `end`."""

    turn_id: str
    text: str
    offset: int
    """Where it begins in the reply, in UTF-8 bytes."""
    end: ReplyStatus | None = None
    trace: str = ""
    """W3C traceparent of the run that wrote it; '' where it comes from the log or a draft."""


class SlowFollower(UnknownConversation):
    """The reader fell too far behind and was cut off: it resumes from its last event number."""

    code = "slow-reader"
    retry = Retry.LATER
    advice = "Resume from the last event number that you have."


Item = AnyEvent | Piece
