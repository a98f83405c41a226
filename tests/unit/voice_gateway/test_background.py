"""Work at the end of a call: in order, within its time, and nothing lost without a word."""

from __future__ import annotations

import asyncio
import inspect
import logging

import pytest

from services.voice_gateway.background import Background


async def test_work_is_done_in_order_and_a_failure_stops_none(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        if name == "second":
            raise ValueError("my room is 512")
        done.append(name)

    background = Background()
    for name in ("first", "second", "third"):
        background.add(name, work(name))
    with caplog.at_level(logging.INFO):
        await background.close(1)
    assert done == ["first", "third"]
    failure = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert failure.__dict__["error"] == "ValueError"
    assert "512" not in str([record.__dict__ for record in caplog.records]), "what the guest said stays out of the log"


async def test_work_that_hangs_takes_what_waits_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    background = Background()
    running, waiting = hang(), hang()
    background.add("running", running)
    background.add("waiting", waiting)
    await background.close(0.01)
    assert inspect.getcoroutinestate(running) == inspect.getcoroutinestate(waiting) == inspect.CORO_CLOSED
    assert ["waiting"] in [record.__dict__.get("work") for record in caplog.records]


@pytest.mark.parametrize("used", [True, False])
async def test_work_that_comes_too_late_is_told_and_closed(used: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise AssertionError("begun after the end")

    async def nothing() -> None:
        return

    background = Background()
    if used:
        background.add("early", nothing())
    await background.close(1)
    late = work()
    background.add("late", late)
    assert inspect.getcoroutinestate(late) == inspect.CORO_CLOSED
    assert [record.__dict__["work"] for record in caplog.records] == ["late"]
