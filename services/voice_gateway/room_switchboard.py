"""What can be done with a guest's line in a room, over LiveKit's API."""

from __future__ import annotations

import logging
from collections.abc import Callable

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc

from services.voice_gateway.ports import TransferFailed

_log = logging.getLogger(__name__)
_RINGING_S = 30


class RoomSwitchboard:
    """Implements `ports.Switchboard`. `trunk_id` is the SIP trunk for calls that go out; '' for none."""

    def __init__(
        self,
        livekit: api.LiveKitAPI,
        room: rtc.Room,
        guest: rtc.RemoteParticipant,
        *,
        trunk_id: str,
        new_id: Callable[[str], str],
    ) -> None:
        self._livekit, self._room, self._guest, self._trunk_id, self._new_id = livekit, room, guest, trunk_id, new_id

    async def hang_up(self) -> None:
        """See `ports.Switchboard.hang_up`. Nothing yet: the room is closed when the end of the call was reported, or
        LiveKit's own report of it would come first, and knows less."""

    async def close_room(self) -> None:
        """End the call for everybody in the room; safe twice."""
        try:
            await self._livekit.room.delete_room(api.DeleteRoomRequest(room=self._room.name))
        except (api.TwirpError, aiohttp.ClientError, OSError, TimeoutError) as error:
            # Gone already, or closed by LiveKit when the guest has left.
            _log.info("room not closed", extra={"error": type(error).__name__})

    async def transfer(self, to: str) -> None:
        """See `ports.Switchboard.transfer`. A SIP caller is referred; to a guest on the web, staff is called in."""
        by_sip = self._guest.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
        try:
            await (self._refer(to) if by_sip else self._call_in(to))
        except (api.TwirpError, api.SipCallError) as error:
            _log.warning("a transfer failed", extra={"error": type(error).__name__, "by_sip": by_sip})
            raise TransferFailed(type(error).__name__) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TransferFailed("LiveKit cannot be reached") from error

    async def _refer(self, to: str) -> None:
        answer = await self._livekit.sip.transfer_sip_participant(
            api.TransferSIPParticipantRequest(
                room_name=self._room.name,
                participant_identity=self._guest.identity,
                transfer_to=to if ":" in to else f"tel:{to}",
                play_dialtone=True,
                ringing_timeout=Duration(seconds=_RINGING_S),
            )
        )
        if answer.status != api.SIPTransferStatus.STS_TRANSFER_SUCCESSFUL:
            raise TransferFailed(api.SIPTransferStatus.Name(answer.status))

    async def _call_in(self, to: str) -> None:
        if not self._trunk_id:
            raise TransferFailed("BOTEL_CALL_SIP_TRUNK is not set: nobody can be called into a room")
        await self._livekit.sip.create_sip_participant(
            api.CreateSIPParticipantRequest(
                room_name=self._room.name,
                sip_trunk_id=self._trunk_id,
                sip_call_to=to.removeprefix("tel:"),
                participant_identity=self._new_id("staff"),
                participant_name="Staff",
                wait_until_answered=True,
                ringing_timeout=Duration(seconds=_RINGING_S),
            )
        )
