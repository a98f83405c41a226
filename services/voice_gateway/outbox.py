"""What goes out to one client of the audio door: audio and events, in the order in which they happened."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import msgspec

from services.voice_gateway import events

_log = logging.getLogger(__name__)
MAX_UNSENT = 1_500
"""Frames that a client may be behind (audio alone: 30 s) before it is cut off."""


class Socket(Protocol):
    """What the outbox needs of a WebSocket. Sending raises ConnectionError or RuntimeError when it is closed."""

    async def send_str(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...


class Outbox:
    """Frames to one client, in order. A client that does not read is cut off: nothing is left out in the middle."""

    def __init__(self, socket: Socket, max_unsent: int = MAX_UNSENT) -> None:
        self._socket, self._max_unsent = socket, max_unsent
        self._frames: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self._lost = asyncio.Event()

    @property
    def lost(self) -> bool:
        """Whether the client was cut off."""
        return self._lost.is_set()

    def audio(self, pcm: bytes) -> None:
        """The line's sink."""
        self._put(pcm)

    def event(self, event: events.AnyCallEvent) -> None:
        """The call's watcher."""
        self._put(msgspec.json.encode(event).decode())

    async def run(self) -> None:
        """Send until the end, or until the client is gone or cut off."""
        # A client that does not read holds up the sending itself: it cannot look whether it is cut off.
        sending = asyncio.create_task(self._send())
        cut = asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait({sending, cut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            cut.cancel()
            await asyncio.gather(sending, cut, return_exceptions=True)

    def end(self) -> None:
        """Send what is left, and stop."""
        self._frames.put_nowait(None)

    def _put(self, frame: bytes | str) -> None:
        if self.lost:
            return
        if self._frames.qsize() >= self._max_unsent:
            _log.warning("caller does not read", extra={"unsent": self._frames.qsize()})
            self._lost.set()
            return
        self._frames.put_nowait(frame)

    async def _send(self) -> None:
        while (frame := await self._frames.get()) is not None:
            try:
                if isinstance(frame, str):
                    await self._socket.send_str(frame)
                else:
                    await self._socket.send_bytes(frame)
            except (ConnectionError, RuntimeError):  # aiohttp says RuntimeError for a socket that is closing
                return
