"""Loops that must not end: they begin again, tell when they are sick, and recover."""

from __future__ import annotations

import asyncio

import pytest

from libs.bus import loops
from libs.bus.loops import Loop
from tests.bus.support.waiting import eventually


async def test_a_loop_that_had_failed_three_times_stayed_unhealthy_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(loops, "_STEADY_S", 0.05)
    begun = 0
    seen: list[bool] = []

    async def fails_at_first() -> None:
        nonlocal begun
        begun += 1
        seen.append(loop.healthy)
        if begun <= 3:
            raise RuntimeError("not yet")
        await asyncio.Event().wait()

    loop = Loop(fails_at_first, "test")
    task = asyncio.create_task(loop.run())
    await eventually(lambda: begun == 4)
    assert seen == [True, True, True, False]
    await eventually(lambda: loop.healthy)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
