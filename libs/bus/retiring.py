"""Giving back the memory of conversations that rest. Only an archive that keeps everything of one may retire it.

`forget` goes further, for a guest who asks to be erased: not even number, identity and context stay.
"""

from __future__ import annotations

import enum

from libs.bus.bus import Bus
from libs.bus.dead import DeadLetters
from libs.contracts.ids import identity_of

_ALL_LETTERS = 10_000
"""What the stream of dead letters keeps at most."""


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
    AWAKE = "awake"
    """Somebody wrote into it while it was to be forgotten."""


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

    async def opened(self, property_id: str, *, customer_id: str, reservation_id: str) -> str:
        """The conversation that a guest of this identity comes back to; '' for none."""
        identity = identity_of(property_id, customer_id=customer_id, reservation_id=reservation_id)
        found = await self._bus.commands.send("GET", self._bus.keys(property_id).open(identity)) if identity else None
        return found.decode() if found else ""

    async def forget(
        self, property_id: str, conversation_id: str, archived: int, *, customer_id: str, reservation_id: str
    ) -> Retirement:
        """Retire it, then remove what retirement leaves. RETIRED or NONE: nothing is left under its own keys.

        Its dead letters go, too. A guest who comes back at this moment is either in time (AWAKE, BUSY, FOLLOWED: ask
        again later) or gets a conversation that is new. What streams still hold of it goes as they are trimmed.
        """
        outcome = await self.retire(property_id, conversation_id, archived)
        if outcome not in (Retirement.RETIRED, Retirement.NONE):
            return outcome
        keys, send = self._bus.keys(property_id), self._bus.commands.send
        names = {"customer_id": customer_id, "reservation_id": reservation_id}
        if await self.opened(property_id, **names) == conversation_id:
            await send("DEL", keys.open(identity_of(property_id, **names)))
        await send("HDEL", keys.heads, conversation_id)
        if await send("EXISTS", keys.conv(conversation_id)):
            return Retirement.AWAKE
        await send("DEL", keys.context(conversation_id))
        letters = DeadLetters(self._bus)
        for letter in await letters.newest(_ALL_LETTERS):
            if letter.conversation_id == conversation_id:
                await letters.discard(letter.id)
        return outcome
