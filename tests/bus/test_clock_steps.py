"""The server's clock steps by an hour: runs move, and nothing is lost or said twice. At random: tests/bus/property."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from libs.bus.handler import Done, Turn
from libs.contracts.events import ReplyStatus
from tests.bus.property.calls import Calls
from tests.bus.scripts.test_limits_and_deadlines import P, begin, read, set_clock
from tests.bus.support.stage import PATIENT, Stage

HOUR_MS = 3_600_000


@pytest.mark.parametrize("step", [HOUR_MS, -HOUR_MS])
def test_a_successor_after_a_clock_step_fences_the_run_before_it(calls: Calls, step: int) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    ((entry, _),) = read(calls)
    old = calls.claim("w1", entry, "a", "t1", 3)
    assert calls.emit("w1", "a", old[1], "a.1", 0, "half")[0] == "ok"
    set_clock(calls, step)
    calls.beat("w1", 0)
    assert calls.reap("a", "w1") == "revived"
    calls.beat("w2")
    ((entry, _),) = read(calls, "w2")
    new = calls.claim("w2", entry, "a", "t2", 3)
    assert new[1] > old[1], "the epoch rises whatever the clock does"
    assert calls.emit("w1", "a", old[1], "a.1", 4, "zombie") == ["fenced"]
    assert calls.commit("w1", "a", old[1], "a.1", "finished", ["reply"]) == ["fenced"]
    assert calls.emit("w2", "a", new[1], "a.1", 4, " and whole")[0] == "ok"
    assert calls.commit("w2", "a", new[1], "a.1", "finished", ["reply"], offset=14)[0] == "idle"


def test_epochs_rise_over_many_steps_back(calls: Calls) -> None:
    begin(calls, "a")
    epochs = []
    for number in range(1, 6):
        set_clock(calls, -number * HOUR_MS)
        calls.beat("w1")
        calls.accept("a", f"a.{number}", P, "hi")
        ((entry, _),) = read(calls)
        granted = calls.claim("w1", entry, "a", f"t{number}", 3)
        epochs.append(granted[1])
        assert calls.commit("w1", "a", granted[1], f"a.{number}", "finished", ["reply"])[0] == "idle"
    assert epochs == sorted(set(epochs))


async def test_all_leases_run_out_at_once_and_the_reply_is_whole(stage: Stage) -> None:
    """What a step forward of the server's clock does to two brains that are well: whoever goes on, goes on rightly."""
    gate = asyncio.Event()

    async def slow(turn: Turn) -> AsyncGenerator[str | Done, None]:
        if not turn.offset:
            yield "Still "
        await gate.wait()
        yield "Still whole"[turn.offset :]

    for name in ("w1", "w2"):
        await stage.worker(name, slow)
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    await listener.said("t1", "Still ")
    await stage.send("ZADD", stage.keys.leases, 1, "w1", 1, "w2")
    gate.set()
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.FINISHED, "Still whole")
