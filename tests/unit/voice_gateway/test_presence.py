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


def presence(*, after_hang_up_s: float = NEVER_S, after_loss_s: float = NEVER_S) -> Presence:
    return Presence("guest", after_hang_up_s=after_hang_up_s, after_loss_s=after_loss_s)


async def test_a_guest_who_hangs_up_is_gone() -> None:
    seen = presence(after_hang_up_s=0)
    seen.left(Someone())
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_a_lost_connection_is_given_longer_than_a_hang_up() -> None:
    seen = presence(after_loss_s=0)
    seen.left(Someone())
    await asyncio.sleep(0)
    assert not seen.gone.done()
    seen.left(Someone(disconnect_reason=rtc.DisconnectReason.CONNECTION_TIMEOUT))
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_who_comes_back_goes_on() -> None:
    seen = presence(after_hang_up_s=0)
    seen.left(Someone())
    assert seen.away
    seen.came(Someone())
    marker = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, marker.set_result, None)
    await marker
    assert not seen.gone.done()
    assert not seen.away


async def test_others_may_come_and_go() -> None:
    seen = presence(after_hang_up_s=0, after_loss_s=0)
    seen.left(Someone("a friend"))
    assert not seen.away
    seen.left(Someone())
    seen.came(Someone("a friend"))
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST


async def test_a_guest_who_is_not_in_the_room_at_the_beginning_is_waited_for() -> None:
    seen = presence(after_loss_s=0)
    seen.watch(rtc.Room())
    assert await asyncio.wait_for(seen.gone, 30) is EndReason.GUEST
