"""A Redis for tests of the store: holds conversations, can be emptied, and can be away. Keeps the ports' promises."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from libs.contracts.errors import BusUnavailable, UnknownConversation
from libs.contracts.events import AnyEvent, ConversationOpened, Event
from libs.contracts.ids import identity_of
from services.context_store.ports import Tail
from tests.talk import body_of


class HotConversations:
    """Implements `HotTail` and `LiveConversations`."""

    def __init__(self) -> None:
        self.away = False
        self.reads = 0
        self._property: dict[str, str] = {}
        self._context: dict[str, dict[str, str]] = {}
        self._log: dict[str, dict[int, bytes]] = {}
        self._identities: dict[str, str] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def hold(self, *events: AnyEvent) -> None:
        """Have these events in the log, under their numbers."""
        for event in events:
            self._property[event.conversation_id] = event.property_id
            self._log.setdefault(event.conversation_id, {})[event.number] = body_of(event)

    def hold_raw(self, conversation_id: str, number: int, body: bytes) -> None:
        """Have this body in the log of a conversation that is there."""
        self._log[conversation_id][number] = body

    def empty(self) -> None:
        """As after Redis's data was deleted."""
        for held in (self._property, self._context, self._log, self._identities, self._seen):
            held.clear()

    async def read(self, property_id: str, conversation_id: str, *, after: int, limit: int) -> Tail:
        """See HotTail."""
        self.reads += 1
        self._check(property_id, conversation_id)
        entries = sorted(self._log[conversation_id].items())
        context = self._context.get(conversation_id, {})
        return Tail(context, [entry for entry in entries if entry[0] > after][:limit])

    async def open(self, event: ConversationOpened, context: Mapping[str, str]) -> tuple[str, bool]:
        """See LiveConversations."""
        if self.away:
            raise BusUnavailable
        identity = identity_of(event.property_id, reservation_id=event.reservation_id, customer_id=event.customer_id)
        if identity in self._identities:
            return self._identities[identity], False
        if identity:
            self._identities[identity] = event.conversation_id
        self.hold(msgspec.structs.replace(event, number=1))
        self._context[event.conversation_id] = dict(context)
        return event.conversation_id, True

    async def append(self, event: Event, context: Mapping[str, str]) -> int:
        """See LiveConversations."""
        self._check(event.property_id, event.conversation_id)
        key = (event.conversation_id, event.id)
        if key not in self._seen:
            self._seen[key] = max(self._log[event.conversation_id]) + 1
            numbered: AnyEvent = msgspec.structs.replace(event, number=self._seen[key])  # type: ignore[assignment]
            self.hold(numbered)
            merged = {**self._context.get(event.conversation_id, {}), **context}
            self._context[event.conversation_id] = {name: value for name, value in merged.items() if value}
        return self._seen[key]

    def _check(self, property_id: str, conversation_id: str) -> None:
        if self.away:
            raise BusUnavailable
        if self._property.get(conversation_id) != property_id:
            raise UnknownConversation
