"""Putting callers through, against a fake of LiveKit's API: no SIP server is called here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import pytest
from livekit import api, rtc

from services.voice_gateway.ports import TransferFailed
from services.voice_gateway.room_switchboard import RoomSwitchboard

SIP, WEB = rtc.ParticipantKind.PARTICIPANT_KIND_SIP, rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
DONE, REFUSED = api.SIPTransferStatus.STS_TRANSFER_SUCCESSFUL, api.SIPTransferStatus.STS_TRANSFER_FAILED


@dataclass
class FakeApi:
    """Keeps what it is asked; `status` is how a referral ends, `error` is raised by everything while set."""

    status: int = DONE
    error: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    @property
    def sip(self) -> FakeApi:
        return self

    @property
    def room(self) -> FakeApi:
        return self

    async def transfer_sip_participant(self, request: api.TransferSIPParticipantRequest) -> Any:
        self._take(request)
        return api.TransferSIPParticipantResponse(status=cast(Any, self.status))

    async def create_sip_participant(self, request: api.CreateSIPParticipantRequest) -> None:
        self._take(request)

    async def delete_room(self, request: api.DeleteRoomRequest) -> None:
        self._take(request)

    def _take(self, request: object) -> None:
        if self.error:
            raise self.error
        self.asked.append(request)


@dataclass
class Named:
    name: str = "call-1"
    identity: str = "guest"
    kind: int = SIP


def switchboard(livekit: FakeApi, kind: int, trunk: str = "") -> RoomSwitchboard:
    line = Named(kind=kind)
    return RoomSwitchboard(
        cast(Any, livekit), cast(Any, line), cast(Any, line), trunk_id=trunk, new_id=lambda _: "staff-1"
    )


async def test_a_caller_by_phone_is_referred() -> None:
    livekit = FakeApi()
    await switchboard(livekit, SIP).transfer("+4940123")
    [asked] = livekit.asked
    assert (asked.room_name, asked.participant_identity, asked.transfer_to) == ("call-1", "guest", "tel:+4940123")


async def test_a_referral_that_the_desk_does_not_take_has_failed() -> None:
    with pytest.raises(TransferFailed, match="FAILED"):
        await switchboard(FakeApi(status=REFUSED), SIP).transfer("sip:desk@hotel")


async def test_staff_is_called_into_the_room_of_a_guest_on_the_web() -> None:
    livekit = FakeApi()
    await switchboard(livekit, WEB, trunk="trunk-1").transfer("tel:+4940123")
    [asked] = livekit.asked
    assert (asked.room_name, asked.sip_trunk_id, asked.sip_call_to) == ("call-1", "trunk-1", "+4940123")
    assert asked.wait_until_answered
    assert asked.participant_identity == "staff-1"


async def test_without_a_trunk_nobody_can_be_called_in() -> None:
    livekit = FakeApi()
    with pytest.raises(TransferFailed, match="BOTEL_CALL_SIP_TRUNK"):
        await switchboard(livekit, WEB).transfer("tel:+4940123")
    assert livekit.asked == []


@pytest.mark.parametrize(
    "error", [aiohttp.ClientConnectionError(), TimeoutError(), api.TwirpError("unavailable", "", status=503)]
)
async def test_what_livekit_cannot_do_has_failed_and_closes_nothing(error: Exception) -> None:
    livekit = FakeApi(error=error)
    with pytest.raises(TransferFailed):
        await switchboard(livekit, SIP).transfer("tel:+4940123")
    await switchboard(livekit, SIP).close_room()


async def test_a_hang_up_leaves_the_room_until_the_end_was_reported() -> None:
    livekit = FakeApi()
    board = switchboard(livekit, WEB)
    await board.hang_up()
    assert livekit.asked == []
    await board.close_room()
    assert [asked.room for asked in livekit.asked] == ["call-1"]
