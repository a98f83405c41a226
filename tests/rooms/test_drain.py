"""A voice gateway that is told to go while a guest talks to it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from services.voice_gateway.domain.manners import BACK_AGAIN
from tests.rooms.calls import Call, events, room_stack
from tests.servers.livekit import need_livekit


async def test_a_call_is_handed_over_at_the_end_of_the_grace_period(tmp_path: Path) -> None:
    need_livekit()
    slowly = {"BOTEL_VOICE_DRAIN_S": "1", "BRAIN_OFFLINE_TOKEN_S": "0.15"}
    async with room_stack(tmp_path, brains=1, **slowly) as stack, Call(stack) as call:
        await call.guest.speech()
        first = call.guest.concierges
        await call.say("tell me about the hotel")
        await call.until_said("Let me take you")
        # To the process alone, as supervisors send it: not to the processes of its calls.
        os.kill(stack.process("voice_gateway").pid, signal.SIGTERM)
        await call.until_said(BACK_AGAIN)
        assert call.guest.concierges != first
        # It was still being written when its gateway left: nobody cancels it, and the brain is not asked twice.
        await call.guest.until(
            lambda: call.concierge().count("Let me take you") == 2, timeout_s=60, why="the answer is not begun again"
        )
        await call.ask_until("where can we park the car", "garage")
        kinds = [event["type"] for event in await events(stack, call.way.conversation_id)]
        assert (kinds.count("call.started"), kinds.count("call.ended")) == (1, 0)
