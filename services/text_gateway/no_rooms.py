"""A gateway without LiveKit: text works, voice sessions say what to set."""

from __future__ import annotations

from libs.contracts.calls import CallTicket
from services.text_gateway.errors import VoiceNotConfigured
from services.text_gateway.ports import Admission, Room, RoomEvent


class NoRooms:
    """Implements `ports.Rooms`."""

    async def find(self, name: str) -> Room | None:
        raise VoiceNotConfigured

    def admit(self, ticket: CallTicket, identity: str) -> Admission:
        raise VoiceNotConfigured

    def verify(self, body: bytes, authorization: str) -> RoomEvent:
        raise VoiceNotConfigured
