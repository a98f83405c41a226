"""Conversations as Redis has them, over the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.retiring import Retiring
from libs.bus.tail import LogTail
from libs.contracts.errors import BusUnavailable, UnknownConversation
from libs.contracts.events import ConversationOpened, Event
from services.context_store.ports import Kept, Tail


class BusConversations:
    """Implements `HotTail`, `LiveConversations`, `LiveMemory` and `LiveTraces`."""

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

    async def opened(self, property_id: str, *, customer_id: str, reservation_id: str) -> str:
        """See LiveTraces."""
        return await self._retiring.opened(property_id, customer_id=customer_id, reservation_id=reservation_id)

    async def holds(self, property_id: str, conversation_id: str) -> bool:
        """See LiveTraces."""
        try:
            await self.read(property_id, conversation_id, after=0, limit=1)
        except UnknownConversation:
            return False
        return True

    async def forget(self, kept: Kept) -> str:
        """See LiveTraces."""
        outcome = await self._retiring.forget(
            kept.property_id,
            kept.conversation_id,
            kept.last_number,
            customer_id=kept.customer_id,
            reservation_id=kept.reservation_id,
        )
        return outcome.value
