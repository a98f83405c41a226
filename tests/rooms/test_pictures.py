"""The calls that the pictures of "Voice experience" are drawn from: one of them, short."""

from __future__ import annotations

from pathlib import Path

from deploy.observe.calls import Calls, Line
from tests.rooms.calls import KEY, room_stack
from tests.servers.livekit import need_livekit

LINES = (Line("tell me about the hotel", cut_after_s=1.0), Line("thank you very much that is everything goodbye"))


async def test_a_guest_interrupts_and_hangs_up(tmp_path: Path) -> None:
    need_livekit()
    said: list[str] = []
    async with room_stack(tmp_path, brains=1) as stack:
        calls = Calls(stack, said.append, key=KEY, lines=LINES)
        await calls.hold(phones=1, calls=1)

    assert (calls.held, calls.broken) == (1, 0), said
