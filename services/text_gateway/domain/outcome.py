"""What the end of a turn means to the client that waits for it."""

from __future__ import annotations

from libs.contracts.errors import BotelError
from libs.contracts.events import ReplyGenerated, ReplyStatus
from services.text_gateway.errors import ReplyCancelled, ReplyExpired, ReplyFailed


def failure_of(reply: ReplyGenerated) -> BotelError | None:
    """None when there is an answer to give: a finished reply, or a failed one with words of apology in it."""
    ids = {"conversationId": reply.conversation_id, "turnId": reply.turn_id}
    match reply.status:
        case ReplyStatus.FINISHED:
            return None
        case ReplyStatus.FAILED if reply.text.strip():
            return None
        case ReplyStatus.CANCELLED:
            return ReplyCancelled(**ids, response=reply.text)
        case ReplyStatus.EXPIRED:
            return ReplyExpired(**ids)
        case _:
            return ReplyFailed(**ids)
