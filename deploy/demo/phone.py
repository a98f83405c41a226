"""The guest's telephone: a WebSocket to the voice gateway's audio door, a synthesised voice, both sides kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import wave
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import numpy as np

SAMPLE_RATE = 16_000
_FRAME_BYTES = SAMPLE_RATE // 50 * 2
_FRAME_S = 0.02

Event = dict[str, Any]


class CallFailed(RuntimeError):
    """The call ended or stalled where it should not have."""


class Phone:
    """`async with Phone(url, hello)`: places the call; hangs up at the end."""

    def __init__(self, url: str, hello: dict[str, str], on_event: Callable[[Event], None]) -> None:
        self._url, self._hello, self._on_event = url, hello, on_event
        self._mouth: deque[bytes] = deque()
        self._quiet = asyncio.Event()
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.events: list[Event] = []
        self.guest = bytearray()
        """All that was sent, silence included."""
        self.concierge = bytearray()
        """All that was received."""

    async def say(self, pcm: bytes) -> None:
        """Speak, in real time; returns when the last word is out."""
        self._quiet.clear()
        self._mouth.extend(pcm[at : at + _FRAME_BYTES] for at in range(0, len(pcm), _FRAME_BYTES))
        quiet = asyncio.create_task(self._quiet.wait())
        await asyncio.wait([quiet, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        if not quiet.done():
            quiet.cancel()
            raise CallFailed("the line is dead")

    async def wait(self, what: Callable[[Event], bool], *, after: int = 0, timeout_s: float, why: str) -> int:
        """Index of the first event from `after` on for which `what` holds. `CallFailed` when it does not come."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while True:
                    for index in range(after, len(self.events)):
                        if what(self.events[index]):
                            return index
                        if self.events[index]["type"] in ("refused", "closed"):
                            raise CallFailed(f"{why}: the gateway says {self.events[index]}")
                    after = len(self.events)
                    await self._news.wait()
        except TimeoutError:
            seen = [event["type"] for event in self.events[-12:]]
            raise CallFailed(f"{why}: not within {timeout_s:.0f} s; last events: {seen}") from None

    def write_wav(self, path: Path) -> None:
        """Both sides of the call: the guest on the left, the concierge on the right."""
        length = max(len(self.guest), len(self.concierge)) // 2
        stereo = np.zeros((length, 2), dtype="<i2")
        for column, side in enumerate((self.guest, self.concierge)):
            samples = np.frombuffer(bytes(side), dtype="<i2")
            stereo[: len(samples), column] = samples
        with wave.open(str(path), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(SAMPLE_RATE)
            out.writeframes(stereo.tobytes())

    async def __aenter__(self) -> Phone:
        self._session = aiohttp.ClientSession()
        try:
            self._socket = await self._session.ws_connect(self._url, max_msg_size=1 << 20)
            await self._socket.send_str(json.dumps(self._hello))
        except BaseException:
            await self._session.close()
            raise
        self._tasks = [asyncio.create_task(self._speak()), asyncio.create_task(self._listen())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(aiohttp.ClientError):
            await self._socket.close()
        await self._session.close()

    async def _speak(self) -> None:
        """One frame every 20 ms, silence when there is nothing to say, like a telephone."""
        due = time.monotonic()
        while True:
            frame = self._mouth.popleft() if self._mouth else b""
            if not self._mouth:
                self._quiet.set()
            frame = frame.ljust(_FRAME_BYTES, b"\0")
            self.guest += frame
            await self._socket.send_bytes(frame)
            due += _FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                self.concierge += message.data
            elif message.type is aiohttp.WSMsgType.TEXT:
                await self._tell(json.loads(message.data))
        await self._tell({"type": "closed"})

    async def _tell(self, event: Event) -> None:
        async with self._news:
            self.events.append(event)
            self._news.notify_all()
        self._on_event(event)
