"""What the gateway needs of the bus and of LiveKit's rooms. `libs.bus` fits as it is; tests bring their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec

from libs.bus.conversations import Accepted, Opened, Snapshot
from libs.bus.pieces import Item
from libs.contracts.calls import CallTicket
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


class Room(msgspec.Struct, frozen=True):
    name: str
    metadata: str


class Admission(msgspec.Struct, frozen=True):
    """With which a guest's browser enters a room."""

    url: str
    token: str
    expires_ms: int
    """Unix milliseconds: who has not entered by then needs another token."""


class Calls(Protocol):
    """`libs.bus.calls.Calls` fits as it is."""

    async def expect(self, ticket: CallTicket, wait_ms: int) -> bool:
        """Somebody should answer this call: a watchdog looks after it when nobody has within `wait_ms`."""


class RoomEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What LiveKit tells of a room, as a webhook."""

    id: str
    kind: str
    """LiveKit's word: room_started, participant_joined, room_finished, ..."""
    room: str = ""
    metadata: str = ""
    """Of the room."""
    identity: str = ""
    """Of the participant that it is about."""
    caller: bool = False
    """The participant is a person: no agent, no recorder."""
    age_ms: int = 0
    """Of the room, when it happened. LiveKit tells the time in whole seconds."""


class Rooms(Protocol):
    """LiveKit. Raises `VoiceNotConfigured` from everything when there is none."""

    async def find(self, name: str) -> Room | None:
        """The room, if it exists now. Raises `RoomsUnavailable` and `RoomsRefused`, and does not wait long."""

    def admit(self, ticket: CallTicket, identity: str) -> Admission:
        """A token for that room alone. Who enters first makes the room with it, and calls the concierge into it."""

    def verify(self, body: bytes, authorization: str) -> RoomEvent:
        """A webhook whose signature fits. Raises `BadSignature`, and `InvalidRequest` for what is no event."""
