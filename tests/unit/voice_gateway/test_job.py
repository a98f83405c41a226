"""A job that cannot take its call leaves, whatever goes wrong meanwhile: a watchdog sends another."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit.agents import JobContext

from libs.bus.calls import CallOver, CallTaken
from libs.observability.tracing import TracingSettings, begin_tracing
from services.voice_gateway import job


class Room:
    """A job's context whose room is entered without trouble."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.room = SimpleNamespace(name="call-1", metadata='{"property_id": "harbour"}')
        self.job = SimpleNamespace(room=self.room, metadata="")
        tracing = begin_tracing(TracingSettings(), service="voice_gateway")
        prepared = SimpleNamespace(call=SimpleNamespace(guest_wait_s=30), tracing=tracing)
        self.proc = SimpleNamespace(userdata={job._PREPARED: prepared})
        self.log_context_fields: dict[str, Any] = {}

    async def connect(self, **_: object) -> None: ...

    async def wait_for_participant(self, **_: object) -> object:
        return SimpleNamespace(identity="guest")

    async def delete_room(self) -> None:
        self.told.append("room deleted")

    def shutdown(self, reason: str) -> None:
        self.told.append(reason)


def refused(monkeypatch: pytest.MonkeyPatch, error: Exception, afterwards: Exception | None = None) -> JobContext:
    """`afterwards` goes wrong while what was opened is closed."""

    async def closed() -> None:
        if afterwards:
            raise afterwards

    async def take(stack: contextlib.AsyncExitStack, *_: object) -> None:
        stack.push_async_callback(closed)
        raise error

    monkeypatch.setattr(job, "_take", take)
    return cast(JobContext, Room())


def told(ctx: JobContext) -> list[str]:
    return cast(Room, ctx).told


async def test_a_call_that_somebody_else_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = refused(monkeypatch, CallTaken())
    await job.entry(ctx)
    assert told(ctx) == ["not taken"]


async def test_the_room_of_a_call_that_is_over_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = refused(monkeypatch, CallOver())
    await job.entry(ctx)
    assert told(ctx) == ["room deleted", "not taken"]


async def test_who_cannot_even_clean_up_leaves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = refused(monkeypatch, CallTaken(), OSError("the bus is gone"))
    with pytest.raises(OSError, match="gone"):
        await job.entry(ctx)
    assert told(ctx) == ["not taken"], "or it sits in the room, silent, and keeps a process busy"
