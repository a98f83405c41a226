"""A call in a room runs in a process of its own: its spans come from there, its log lines bear no words."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.eventually import eventually
from tests.rooms.calls import Call, happened, room_stack
from tests.servers.livekit import need_livekit
from tests.servers.otlp import exporting, orphans, running_collector

BREAKFAST = "what time is breakfast served on monday"
OURS = {"turn", "transcribe", "decide end of turn", "send turns", "receive chunks", "synthesise speech"} | {
    "first audio",
    "playout",
    "call",
}


async def test_a_spoken_turn_in_a_room_is_one_trace_without_words(tmp_path: Path) -> None:
    need_livekit()
    async with contextlib.AsyncExitStack() as house:
        collector = await house.enter_async_context(running_collector())
        env = exporting(collector.url)
        async with room_stack(tmp_path, brains=1, BOTEL_LOG_LEVEL="DEBUG", **env) as stack:
            async with Call(stack) as call:
                await call.guest.speech()
                await call.ask(BREAKFAST)
                conversation = call.way.conversation_id
            await happened(stack, conversation, "call.ended")
            [message] = await happened(stack, conversation, "message.received")
            spans = await collector.trace_with("turn", "playout", "process turns", turn_id=message["turn_id"])

            async def call_told() -> bool:
                return any(span.name == "call" for span in collector.spans)

            await eventually(call_told)
    assert message["trace"].split("-")[1] == spans[0].trace_id
    assert orphans(spans) == []
    gateway = [span for span in collector.spans if span.service == "voice_gateway"]
    assert {span.name for span in gateway} <= OURS, "none of LiveKit's own"
    [opened] = [span for span in collector.spans if span.name == "open voice session"]
    [held] = [span for span in gateway if span.name == "call"]
    assert held.parent_id == opened.span_id, "a call goes on in the trace of its session"
    log = (tmp_path / "stack.log").read_text()
    assert "breakfast" not in log.lower()
    assert b"breakfast" not in b"".join(collector.raw).lower()
    accepted = [line for line in log.splitlines() if "turn accepted" in line]
    assert all(spans[0].trace_id in line for line in accepted)
    assert accepted
