"""A handler that blocks its brain's thread: the brain is as dead as a stopped one, and fenced when it wakes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.handler import Done, Turn, TurnStopped
from libs.bus.settings import BusSettings
from libs.bus.worker import Worker
from libs.contracts.events import ReplyStatus
from tests.bus.support.conversation import tool_requested
from tests.bus.support.handlers import Led
from tests.bus.support.stage import FAST, LAPSING, PATIENT, Stage
from tests.bus.support.waiting import eventually, soon


class Blocked:
    """A worker in a thread of its own, whose handler speaks, blocks the loop, and then tries everything."""

    def __init__(self, redis_url: str, begins: str = "") -> None:
        self.url, self._begins = redis_url, begins
        self.blocked, self.wake, self.stop = threading.Event(), threading.Event(), threading.Event()
        self.stopped_by = ""
        self.turns: list[str] = []
        self._worker: Worker | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    @property
    def healthy(self) -> bool:
        """Only looks at numbers: another thread may."""
        return self._worker is not None and self._worker.healthy

    async def __aenter__(self) -> Blocked:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.wake.set()
        self.stop.set()
        await asyncio.to_thread(self._thread.join, 20)
        assert not self._thread.is_alive()

    async def _work(self) -> None:
        settings = BusSettings(redis_url=SecretStr(self.url), **{**FAST, **LAPSING})
        async with Bus(settings, name="w1") as bus:
            self._worker = worker = Worker(bus, "w1", self._answer, slots=4)
            await worker.start()
            await asyncio.to_thread(self.stop.wait)
            await worker.drain(0)

    async def _answer(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.turns.append(turn.grant.item.turn_id)
        if len(self.turns) > 1:
            yield "I am back."
            yield Done()
            return
        yield "First "
        await turn.journal(tool_requested("c", "t1", "call-0", turn.offset))
        self.blocked.set()
        self.wake.wait()
        try:
            if self._begins == "journal":
                await turn.journal(tool_requested("c", "t1", "call-1", turn.offset))
            yield "NEVER "
            await asyncio.Event().wait()
        except (TurnStopped, asyncio.CancelledError, GeneratorExit) as error:
            self.stopped_by = type(error).__name__
            raise


async def _handed_over(stage: Stage, sleeper: Blocked, *, end: str) -> None:
    successor = Led()
    feed = await stage.feed(**PATIENT)
    await stage.open("c")
    listener = await stage.listen(feed, "c")
    await stage.accept("c", "t1")
    assert await asyncio.to_thread(sleeper.blocked.wait, 20)
    other = await stage.worker("w2", successor)
    await eventually(lambda: successor.began("t1"))
    sleeper.wake.set()
    await eventually(lambda: sleeper.stopped_by)
    successor.end("t1", end)
    reply = await listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.FINISHED, f"First {end}")
    kinds = [event.id for event in listener.events]
    assert kinds == ["t1", "t1.call-0.requested", "t1.reply"], "nothing of the run before was recorded"
    await soon(other.drain(0))
    await stage.accept("c", "t2")
    assert (await listener.reply("t2")).text == "I am back."
    await eventually(lambda: sleeper.healthy)


async def test_words_said_after_it_are_not_heard(stage: Stage, redis_url: str) -> None:
    async with Blocked(redis_url) as sleeper:
        await _handed_over(stage, sleeper, end="and last")


async def test_a_tool_begun_after_it_is_refused(stage: Stage, redis_url: str) -> None:
    async with Blocked(redis_url, begins="journal") as sleeper:
        await _handed_over(stage, sleeper, end="and last")
