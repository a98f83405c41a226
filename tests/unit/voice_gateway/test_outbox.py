"""Frames to one client: in order, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from services.voice_gateway import events
from services.voice_gateway.outbox import Outbox

CAPTION = events.Caption(text="hello")


class Wire:
    """A socket that takes frames while `open` is set, as one does whose client reads."""

    def __init__(self, *, reads: bool) -> None:
        self.sent: list[bytes | str] = []
        self.open = asyncio.Event()
        if reads:
            self.open.set()

    async def send_str(self, data: str) -> None:
        await self._take(data)

    async def send_bytes(self, data: bytes) -> None:
        await self._take(data)

    async def _take(self, data: bytes | str) -> None:
        await self.open.wait()
        self.sent.append(data)


async def test_what_was_put_before_the_end_is_sent_in_order() -> None:
    wire = Wire(reads=True)
    outbox = Outbox(wire)
    outbox.audio(b"a")
    outbox.event(CAPTION)
    outbox.audio(b"b")
    outbox.end()
    async with asyncio.timeout(30):
        await outbox.run()
    assert [type(frame) for frame in wire.sent] == [bytes, str, bytes]
    assert not outbox.lost


@pytest.mark.parametrize("kind", ["audio", "event"])
async def test_a_client_that_does_not_read_is_cut_off_at_the_limit(kind: str) -> None:
    wire = Wire(reads=False)
    outbox = Outbox(wire, max_unsent=3)
    running = asyncio.create_task(outbox.run())
    outbox.audio(b"a")
    await asyncio.wait({running}, timeout=0.01)
    for _ in range(4):
        assert not outbox.lost
        outbox.audio(b"b") if kind == "audio" else outbox.event(CAPTION)
    assert outbox.lost
    async with asyncio.timeout(30):
        await running
    assert wire.sent == []


async def test_a_client_that_is_gone_ends_the_sending() -> None:
    class Gone(Wire):
        async def _take(self, data: bytes | str) -> None:
            raise ConnectionResetError

    outbox = Outbox(Gone(reads=True))
    outbox.audio(b"a")
    async with asyncio.timeout(30):
        await outbox.run()
    assert not outbox.lost
