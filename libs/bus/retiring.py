"""Giving back the memory of conversations that rest. Only an archive that keeps everything of one may retire it."""

from __future__ import annotations

import enum

from libs.bus.bus import Bus


class Retirement(enum.StrEnum):
    """What became of it."""

    RETIRED = "retired"
    """Its log is gone from Redis. Number, epoch, property, identity and context stay."""
    BUSY = "busy"
    """A turn waits or is answered."""
    BEHIND = "behind"
    """Something of it is not archived yet."""
    FOLLOWED = "followed"
    """A gateway follows it, and would bring it back at once."""
    NONE = "none"
    """Redis does not hold it: retired before, or emptied."""


class Retiring:
    """Raises `BusUnavailable` when Redis does not answer in time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def retire(self, property_id: str, conversation_id: str, archived: int) -> Retirement:
        """Retire a conversation of which the archive holds every event up to number `archived`.

        Whoever comes to follow meanwhile brings it back and misses nothing: its numbers and epochs go on.
        """
        keys = self._bus.keys(property_id)
        if await self._bus.commands.send("EXISTS", keys.subs(conversation_id)):
            return Retirement.FOLLOWED
        reply = await self._bus.commands.call(
            "retire",
            [
                keys.conv(conversation_id),
                keys.mail(conversation_id),
                keys.log(conversation_id),
                keys.draft(conversation_id),
                keys.subs(conversation_id),
                keys.heads,
            ],
            [conversation_id, archived],
        )
        return Retirement(reply.decode())
