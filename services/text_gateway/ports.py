"""What the text channel needs of the bus. `libs.bus` fits as it is; tests bring their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from libs.bus.conversations import Accepted, Opened, Snapshot
from libs.bus.pieces import Item
from libs.contracts.events import ConversationOpened, Event, MessageReceived


class Conversations(Protocol):
    """Raises the typed errors of libs.contracts.errors; see libs.bus.conversations."""

    async def open(self, event: ConversationOpened, context: Mapping[str, str]) -> Opened: ...

    async def accept(self, message: MessageReceived, *, deadline_ms: int = 0, gateway_id: str = "") -> Accepted: ...

    async def append(self, event: Event, context: Mapping[str, str] | None = None) -> int: ...

    async def cancel(self, property_id: str, conversation_id: str, turn_id: str) -> str: ...

    async def read(self, property_id: str, conversation_id: str, after: int = 0, count: int = 1_000) -> Snapshot: ...


class Following(Protocol):
    """Events in order of number, and pieces of replies as they are made. Must be closed."""

    @property
    def conversation_id(self) -> str: ...

    @property
    def retired_to(self) -> int:
        """Events after the resume point up to this number are in the store only; 0: none."""

    def __aiter__(self) -> AsyncIterator[Item]: ...

    def close(self) -> None: ...


class Feed(Protocol):
    @property
    def gateway_id(self) -> str:
        """Under which the bus sends to this process."""

    async def follow(self, property_id: str, conversation_id: str, *, after: int | None = None) -> Following:
        """From after an event number; None: from now on. `UnknownConversation` when the property has none such."""
