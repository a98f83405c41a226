"""Conversations as Redis has them, over the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.retiring import Retiring
from libs.bus.tail import LogTail
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import ConversationOpened, Event
from services.context_store.ports import Tail


class BusConversations:
    """Implements `HotTail`, `LiveConversations` and `LiveMemory`."""

    def __init__(self, bus: Bus, *, tail_timeout_ms: int) -> None:
        self._conversations = Conversations(bus)
        self._tail = LogTail(bus)
        self._retiring = Retiring(bus)
        self._tail_timeout_s = tail_timeout_ms / 1000

    async def read(self, property_id: str, conversation_id: str, *, after: int, limit: int) -> Tail:
        """See HotTail."""
        try:
            async with asyncio.timeout(self._tail_timeout_s):
                found = await self._tail.read(property_id, conversation_id, after=after, limit=limit)
        except TimeoutError as error:
            raise BusUnavailable from error
        return Tail(found.context, found.entries)

    async def open(self, event: ConversationOpened, context: Mapping[str, str]) -> tuple[str, bool]:
        """See LiveConversations."""
        opened = await self._conversations.open(event, context)
        return opened.conversation_id, opened.created

    async def append(self, event: Event, context: Mapping[str, str]) -> int:
        """See LiveConversations."""
        return await self._conversations.append(event, context)

    async def retire(self, property_id: str, conversation_id: str, archived: int) -> str:
        """See LiveMemory."""
        return (await self._retiring.retire(property_id, conversation_id, archived)).value
