"""One call in a room, from the guest's arrival to the end: what the audio door is for calls at the door.

The call has a lease. Whoever loses it leaves without a word: another gateway talks to the guest by now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from libs.bus.calls import CallLease
from libs.contracts.calls import CallTicket
from libs.contracts.errors import BusUnavailable
from services.voice_gateway.call import VoiceCall
from services.voice_gateway.domain.manners import BACK_AGAIN
from services.voice_gateway.ports import EndReason
from services.voice_gateway.presence import Presence
from services.voice_gateway.room_chat import RoomChat
from services.voice_gateway.room_switchboard import RoomSwitchboard
from services.voice_gateway.settings import CallSettings

_log = logging.getLogger(__name__)
_FRESH_S = 60.0
"""How old a question may be that is answered by whoever takes the call over."""
_TRANSFER_S = 60.0
_HUSH_S = 1.5
"""How long reports may keep a call that goes elsewhere."""
_STAYS = frozenset([EndReason.SHUTDOWN])
"""Ends of this gateway's part that are not the end of the call: a watchdog finds somebody else for it."""


class RoomCall:
    """Use `start`, then `serve`, which returns when this gateway has nothing more to do with the call."""

    def __init__(
        self,
        ticket: CallTicket,
        call: VoiceCall,
        chat: RoomChat,
        presence: Presence,
        switchboard: RoomSwitchboard,
        lease: CallLease,
        broken: asyncio.Event,
        settings: CallSettings,
    ) -> None:
        """`broken`: the guest cannot hear this gateway any more."""
        self._ticket, self._call, self._chat, self._presence = ticket, call, chat, presence
        self._switchboard, self._lease, self._broken, self._settings = switchboard, lease, broken, settings

    async def start(self) -> None:
        """Listen, and greet; or apologise, when the call has outlived another gateway."""
        before = self._ticket.takeover or self._lease.epoch > 1
        greeting = BACK_AGAIN if before else self._settings.greeting
        await self._call.start(greeting, pick_up_s=_FRESH_S if before else 0.0)
        self._chat.open()

    async def serve(self) -> None:
        reason = EndReason.ERROR
        try:
            reason = await self._end()
        finally:
            await self._leave(reason)

    async def _end(self) -> EndReason:
        lost = asyncio.ensure_future(self._lease.lost.wait())
        broken = asyncio.ensure_future(self._broken.wait())
        waiting: set[asyncio.Future[Any]] = {self._call.ended, self._presence.gone, lost, broken}
        try:
            done, _ = await asyncio.wait(
                waiting, timeout=self._settings.max_duration_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            lost.cancel()
            broken.cancel()
        if lost in done or broken in done:
            return EndReason.SHUTDOWN
        if self._presence.gone in done:
            if self._call.transferring:  # a caller by phone leaves the room when the desk has taken them
                await asyncio.wait({self._call.ended}, timeout=_TRANSFER_S)
            return self._call.ended.result() if self._call.ended.done() else self._presence.gone.result()
        return self._call.ended.result() if done else EndReason.CONCIERGE

    async def _leave(self, reason: EndReason) -> None:
        lost, stays = self._lease.lost.is_set(), reason in _STAYS
        _log.info("call over" if not stays else "call left", extra={"call_id": self._ticket.call_id, "reason": reason})
        self._presence.close()
        await self._chat.close()
        if stays:
            self._call.hand_over()
        closing = asyncio.ensure_future(self._call.close(reason, over=not stays))
        if stays:
            # The guest is not to wait for reports: whoever is sent now apologises, and knows what was heard if it can.
            await asyncio.wait({closing}, timeout=_HUSH_S)
        try:
            if stays and not lost:
                await self._release(self._lease.leave)
            await closing
        finally:
            await self._lease.close()
        if not stays:
            await self._release(self._lease.end)
            if reason is not EndReason.TRANSFERRED:
                await self._switchboard.close_room()

    async def _release(self, how: Callable[[], Awaitable[bool]]) -> None:
        with contextlib.suppress(BusUnavailable):  # then the lease runs out, and a watchdog looks after the call
            await how()
