"""Rooms of the LiveKit server, from outside: implements `room_ports.RoomService` by the server's API."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api

from libs.contracts.calls import AGENT_NAME, CallTicket, encode_ticket
from libs.rooms import RoomSettings
from services.voice_gateway.domain.takeover import Attendance
from services.voice_gateway.room_ports import RoomsUnavailable

T = TypeVar("T")
_NO_GUESTS = frozenset([
    api.ParticipantInfo.Kind.AGENT,
    api.ParticipantInfo.Kind.EGRESS,
    api.ParticipantInfo.Kind.INGRESS,
])  # fmt: skip
_LEFT = api.ParticipantInfo.State.DISCONNECTED


class LiveKitRooms:
    """Use as `async with LiveKitRooms(settings, timeout_s=3) as rooms`."""

    def __init__(self, settings: RoomSettings, *, timeout_s: float) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        self._api: api.LiveKitAPI

    async def __aenter__(self) -> LiveKitRooms:
        given = self._settings
        self._api = api.LiveKitAPI(given.url, given.api_key, given.api_secret.get_secret_value())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.aclose()

    async def attendance(self, room: str, guest: str) -> Attendance:
        """See `RoomService`."""
        listed = await self._ask(self._api.room.list_participants(api.ListParticipantsRequest(room=room)))
        for one in listed.participants:
            known = one.identity == guest if guest else one.kind not in _NO_GUESTS
            if known and one.state != _LEFT:
                return Attendance.GUEST
        # The list is empty, and no error, for a room that is not there.
        rooms = await self._ask(self._api.room.list_rooms(api.ListRoomsRequest(names=[room])))
        return Attendance.NOBODY if rooms.rooms else Attendance.NO_ROOM

    async def send_agent(self, ticket: CallTicket) -> None:
        """See `RoomService`."""
        wanted = api.CreateAgentDispatchRequest(
            agent_name=AGENT_NAME, room=ticket.call_id, metadata=encode_ticket(ticket)
        )
        await self._ask(self._api.agent_dispatch.create_dispatch(wanted))

    async def close(self, room: str) -> None:
        """See `RoomService`."""
        try:
            await self._ask(self._api.room.delete_room(api.DeleteRoomRequest(room=room)))
        except RoomsUnavailable as error:
            gone = error.__cause__
            if not (isinstance(gone, api.ServerError) and gone.code == "not_found"):
                raise

    async def _ask(self, request: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await request
        except (api.ServerError, aiohttp.ClientError, DecodeError, OSError, TimeoutError) as error:
            raise RoomsUnavailable(f"LiveKit: {type(error).__name__} {error}") from error
