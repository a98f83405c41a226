"""Whether the guest is in the room. Others may come and go: they are no guests of this call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from livekit import rtc

from services.voice_gateway.ports import EndReason

_log = logging.getLogger(__name__)
_ROOM_CLOSED = frozenset([rtc.DisconnectReason.ROOM_DELETED, rtc.DisconnectReason.ROOM_CLOSED])
_HUNG_UP = frozenset([rtc.DisconnectReason.CLIENT_INITIATED, rtc.DisconnectReason.USER_REJECTED])


class Participant(Protocol):
    @property
    def identity(self) -> str: ...

    @property
    def disconnect_reason(self) -> rtc.DisconnectReason.ValueType | None: ...


class Presence:
    """Of one guest, by identity.

    Who hangs up may have reloaded the page and has a moment to come back; whose line broke has longer.
    """

    def __init__(
        self,
        guest: str,
        *,
        after_hang_up_s: float,
        after_loss_s: float,
        on_left: Callable[[], None] = lambda: None,
        on_back: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_left`: nobody hears what is said now. `on_back`: the guest does again."""
        self._guest, self._after_hang_up_s, self._after_loss_s = guest, after_hang_up_s, after_loss_s
        self._on_left, self._on_back = on_left, on_back
        self._timer: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        """Done when the guest has left and not come back."""

    def watch(self, room: rtc.Room) -> None:
        """From now on; a guest who is not there any more counts as lost."""
        room.on("participant_disconnected", self.left)
        room.on("participant_connected", self.came)
        room.on("disconnected", self.closed)
        if self._guest not in room.remote_participants:
            self._wait(self._after_loss_s)

    def left(self, participant: Participant) -> None:
        if participant.identity == self._guest:
            hung_up = participant.disconnect_reason in _HUNG_UP
            self._wait(self._after_hang_up_s if hung_up else self._after_loss_s)

    def came(self, participant: Participant) -> None:
        if participant.identity == self._guest and self._timer:
            _log.info("the guest is back")
            self.close()
            self._on_back()

    def closed(self, reason: rtc.DisconnectReason.ValueType) -> None:
        """This gateway is out of the room. If that is closed, so is the call; else another goes on with it."""
        if reason in _ROOM_CLOSED:
            self._give_up(EndReason.ROOM_CLOSED)

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        self.close()
        self._on_left()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up, EndReason.GUEST)

    def _give_up(self, reason: EndReason) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
