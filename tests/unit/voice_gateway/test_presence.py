"""Guests who leave, come back, or lose their connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from livekit import rtc

from services.voice_gateway.ports import EndReason
from services.voice_gateway.presence import Presence

NEVER_S = 3_600.0


@dataclass
class Someone:
    identity: str = "guest"
    disconnect_reason: rtc.DisconnectReason.ValueType | None = rtc.DisconnectReason.CLIENT_INITIATED


class Seen(Presence):
    """Keeps what it tells."""

    def __init__(self, *, after_hang_up_s: float = NEVER_S, after_loss_s: float = NEVER_S) -> None:
        self.told: list[str] = []
        super().__init__(
            "guest",
            after_hang_up_s=after_hang_up_s,
            after_loss_s=after_loss_s,
            on_left=lambda: self.told.append("left"),
            on_back=lambda: self.told.append("back"),
        )


async def test_a_guest_who_hangs_up_is_gone() -> None:
    seen = Seen(after_hang_up_s=0)
    seen.left(Someone())
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_a_lost_connection_is_given_longer_than_a_hang_up() -> None:
    seen = Seen(after_loss_s=0)
    seen.left(Someone())
    await asyncio.sleep(0)
    assert not seen.gone.done()
    seen.left(Someone(disconnect_reason=rtc.DisconnectReason.CONNECTION_TIMEOUT))
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_who_comes_back_goes_on() -> None:
    seen = Seen(after_hang_up_s=0)
    seen.left(Someone())
    assert seen.told == ["left"]
    seen.came(Someone())
    marker = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, marker.set_result, None)
    await marker
    assert not seen.gone.done()
    assert seen.told == ["left", "back"]


async def test_others_may_come_and_go() -> None:
    seen = Seen(after_hang_up_s=0, after_loss_s=0)
    seen.left(Someone("a friend"))
    assert seen.told == []
    seen.left(Someone())
    seen.came(Someone("a friend"))
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_a_guest_who_is_not_in_the_room_at_the_beginning_is_waited_for() -> None:
    seen = Seen(after_loss_s=0)
    seen.watch(rtc.Room())
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_a_room_that_is_closed_ends_the_call_and_a_removal_does_not() -> None:
    seen = Seen()
    seen.closed(rtc.DisconnectReason.PARTICIPANT_REMOVED)
    assert not seen.gone.done(), "another gateway goes on"
    seen.closed(rtc.DisconnectReason.ROOM_DELETED)
    assert seen.gone.result() is EndReason.ROOM_CLOSED
