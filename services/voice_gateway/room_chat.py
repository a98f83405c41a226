"""What the guest types in the room during a call: a turn of the text channel, answered in writing where it was asked.

LiveKit's own chat handling would interrupt the concierge and answer by voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import Any

from livekit import rtc

from libs.contracts.errors import BotelError
from libs.contracts.ids import is_id
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.voice_gateway.domain.manners import NO_ANSWER, TOO_LONG
from services.voice_gateway.ports import BrainLink

TOPIC = "lk.chat"
_log = logging.getLogger(__name__)
_MAX_AT_ONCE = 8
"""Typed messages of one guest that are read or answered at the same time: more is rubbish."""


class RoomChat:
    """Answers `guest`; what others type is not read."""

    def __init__(self, room: rtc.Room, guest: str, link: BrainLink) -> None:
        self._room, self._guest, self._link = room, guest, link
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        self._room.register_text_stream_handler(TOPIC, self._on_text)

    async def close(self) -> None:
        """What is not answered yet is answered in the conversation all the same; only not here."""
        with contextlib.suppress(ValueError):
            self._room.unregister_text_stream_handler(TOPIC)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if identity != self._guest or len(self._tasks) >= _MAX_AT_ONCE:
            reader.close()
            return
        task = asyncio.create_task(self._answer(reader), name="chat")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # An error's text may repeat the guest's words.
            _log.error("a typed message was not answered", extra={"error": type(error).__name__})

    async def _answer(self, reader: rtc.TextStreamReader) -> None:
        text = await _read(reader)
        if text is None:
            await self._write(TOO_LONG)
        elif text.strip():
            await self._ask(_turn_id(reader), text.strip())

    async def _ask(self, turn_id: str, text: str) -> None:
        writer: Any = None
        try:
            async with contextlib.aclosing(self._link.write(turn_id, text)) as pieces:
                async for piece in pieces:
                    if piece.text:
                        writer = writer or await self._writer()
                        await writer.write(piece.text)
        except BotelError as error:
            _log.warning("a typed message has no answer", extra={"code": error.code})
            writer = writer or await self._writer()
            await writer.write(NO_ANSWER)
        finally:
            if writer:
                await writer.aclose()

    async def _write(self, text: str) -> None:
        writer = await self._writer()
        await writer.write(text)
        await writer.aclose()

    async def _writer(self) -> rtc.TextStreamWriter:
        return await self._room.local_participant.stream_text(topic=TOPIC, destination_identities=[self._guest])


async def _read(reader: rtc.TextStreamReader) -> str | None:
    """None: longer than a message may be; the rest of it is not kept."""
    parts, size = list[str](), 0
    async for part in reader:
        size += len(part.encode())
        if size > MAX_MESSAGE_BYTES:
            reader.close()
            return None
        parts.append(part)
    return "".join(parts)


def _turn_id(reader: rtc.TextStreamReader) -> str:
    """The stream's own id, so that one message is one turn however often it comes."""
    turn_id = f"chat-{reader.info.stream_id}"
    return turn_id if is_id(turn_id) else f"chat-{hashlib.sha256(turn_id.encode()).hexdigest()[:32]}"
