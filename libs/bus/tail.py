"""Reading a conversation's log undecoded: for an archive, which keeps also what this release cannot read."""

from __future__ import annotations

import asyncio

import msgspec

from libs.bus.bus import Bus
from libs.bus.log import decode_context, number_of
from libs.contracts.errors import UnknownConversation


class RawTail(msgspec.Struct, frozen=True):
    """A stretch of a conversation as Redis has it now."""

    context: dict[str, str]
    entries: list[tuple[int, bytes]]
    """(number, body), rising."""


class LogTail:
    """Raises `BusUnavailable` when Redis does not answer in time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, property_id: str, conversation_id: str, *, after: int, limit: int) -> RawTail:
        """Context, and at most `limit` events after a number. `UnknownConversation` when this property has none such.

        A retired conversation has a context and no entries.
        """
        keys, commands = self._bus.keys(property_id), self._bus.commands
        owner, head, context, entries = await asyncio.gather(
            commands.send("HGET", keys.conv(conversation_id), "p"),
            commands.send("HGET", keys.heads, conversation_id),
            commands.send("HGETALL", keys.context(conversation_id)),
            commands.send("XRANGE", keys.log(conversation_id), f"{after + 1}-0", "+", "COUNT", limit),
        )
        if owner is None and head is not None:
            owner = head.split(b" ")[2]
        if owner is None or owner.decode() != property_id:
            raise UnknownConversation
        return RawTail(decode_context(context), [(number_of(entry_id), fields[1]) for entry_id, fields in entries])
