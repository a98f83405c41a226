"""Where a brain is at a moment: what it runs, how much of each reply is out, and whether it is inside a side effect.

The process is stopped first, so what Redis and the hotel say then is where it stands when it is killed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import ToolCompleted, ToolRequested
from libs.contracts.keys import Keys

_LOOK_BACK = 8


class Place(enum.StrEnum):
    IDLE = "idle"
    """It runs no turn."""
    SILENT = "before the first word"
    MID_STREAM = "mid-stream"
    BEFORE = "in a side effect, before the hotel took it"
    AFTER = "in a side effect, after the hotel took it"


EFFECTS = (Place.BEFORE, Place.AFTER)


class Hit(NamedTuple):
    """One turn that the brain runs."""

    conversation: str
    turn: str
    place: Place
    draft: int
    """Bytes of the reply that are out."""


class Aim:
    """Reads one shard. `taken` tells whether the hotel has taken the effect of an idempotency key."""

    def __init__(self, redis: Any, taken: Callable[[str], bool]) -> None:
        self._redis, self._keys, self._taken = redis, Keys(), taken

    async def look(self, worker: str) -> list[Hit]:
        """The turns that a worker runs now."""
        owned = await self._redis.smembers(self._keys.owned(worker))
        hits = [await self._hit(conversation.decode(), worker) for conversation in owned]
        return [hit for hit in hits if hit]

    async def _hit(self, conversation: str, worker: str) -> Hit | None:
        keys = self._keys
        pipe = self._redis.pipeline(transaction=True)
        pipe.hmget(keys.conv(conversation), "st", "own")
        pipe.lindex(keys.mail(conversation), 0)
        pipe.strlen(keys.draft(conversation))
        pipe.xrevrange(keys.log(conversation), count=_LOOK_BACK)
        (state, owner), item, draft, log = await pipe.execute()
        if state != b"running" or owner != worker.encode() or not item:
            return None
        turn = item.split(b" ")[0].decode()
        place = self._effect([fields[b"b"] for _, fields in log], turn)
        return Hit(conversation, turn, place or (Place.MID_STREAM if draft else Place.SILENT), draft)

    def _effect(self, bodies: list[bytes], turn: str) -> Place | None:
        """Newest first: a call of this turn that was requested and not completed."""
        completed = set()
        for body in bodies:
            try:
                event = decode(body)
            except MalformedMessage:
                continue
            if isinstance(event, ToolCompleted) and event.turn_id == turn:
                completed.add(event.call_id)
            elif isinstance(event, ToolRequested) and event.turn_id == turn and event.call_id not in completed:
                return Place.AFTER if self._taken(event.idempotency_key) else Place.BEFORE
        return None
