"""What a brain adds to its model: `create_agent`, tools, history and all. `python -m benchmarks.brain_overhead`.

The concierge as it is, on a model that tells how long its own first tokens took; without a bus. Overhead is the time
from the turn to its first words, less the model's own.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from benchmarks.control import serve
from benchmarks.load import Columns
from libs.process import run
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge, wall_clock
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.retrying import RetryingReads
from services.brain.pms.sample import harbour
from services.brain.pms.sqlite import SqlitePms
from services.brain.rehearsal import Rehearsal

QUESTIONS = {"words": "Is there anything you can do for me?", "tool": "When is breakfast served?"}
"""Answered at once, and after one tool call: two rounds of the model."""
EARLIER = ("Hello", "Is there a pool?", "Thank you", "What can you do for me?")
"""What a conversation has behind it when it is measured."""

FIRST_TOKEN_S = 0.3
"""Of the model under load."""
_TICK_S = 0.001
"""How late a timer of the event loop may be by its own making; what is later is the brain's doing."""
_own_s: ContextVar[list[float]] = ContextVar("own_s")
"""What the model itself took so far before its first words, in seconds, in the turn that runs here."""


class TimedModel(OfflineChatModel):
    """The offline model, with the latency of a model behind a network, which it accounts for."""

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        own = _own_s.get()
        own.append(await _wait(self.first_token_s))
        started = time.perf_counter()
        chunks = list(self._chunks(messages, kwargs.get("tools")))
        own.append(time.perf_counter() - started)
        for chunk in chunks:
            yield chunk
            waited = await _wait(self.token_s)
            if not chunk.text:
                own.append(waited)


async def _wait(seconds: float) -> float:
    """Wait; returns how much of it is the model's."""
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    return min(time.perf_counter() - started, seconds + _TICK_S)


class Overhead:
    """The commands of this process."""

    def __init__(self, pms: SqlitePms) -> None:
        self._pms = RetryingReads(pms)

    async def alone(self, kind: str, turns: int, first_token_s: float) -> Columns:
        """Milliseconds of overhead, one turn after the other."""
        concierge = self._concierge(first_token_s, 0.0)
        rehearsal = (await self._rehearsals(1))[0]
        return {"overhead": [await _turn(rehearsal, concierge, kind) for _ in range(turns)]}

    async def at_once(self, kind: str, turns: int, ahead: int, every_s: float, token_s: float) -> Columns:
        """Milliseconds of overhead of turns that begin so often, behind so many that are not measured."""
        concierge = self._concierge(FIRST_TOKEN_S, token_s)
        asked = []
        for rehearsal in await self._rehearsals(ahead + turns):
            asked.append(asyncio.create_task(_turn(rehearsal, concierge, kind)))
            await asyncio.sleep(every_s)
        return {"overhead": (await asyncio.gather(*asked))[ahead:]}

    def _concierge(self, first_token_s: float, token_s: float) -> Concierge:
        return Concierge(OwnAgent(TimedModel(first_token_s=first_token_s, token_s=token_s)), self._pms)

    async def _rehearsals(self, count: int) -> list[Rehearsal]:
        """Conversations that have something behind them."""
        concierge = self._concierge(0.0, 0.0)
        rehearsals = [Rehearsal(concierge.answer, customer_id="guest-1") for _ in range(count)]
        _own_s.set([])
        for question in EARLIER:
            await rehearsals[0].say(question)
        for rehearsal in rehearsals:
            rehearsal.log = list(rehearsals[0].log)
        return rehearsals


async def _turn(rehearsal: Rehearsal, concierge: Concierge, kind: str) -> float:
    """One turn, not kept in the conversation; its overhead in milliseconds."""
    own, overhead_s = list[float](), 0.0
    _own_s.set(own)
    before = list(rehearsal.log)
    turn = rehearsal.accept(QUESTIONS[kind])

    def heard(_: str) -> None:
        nonlocal overhead_s
        overhead_s = overhead_s or time.perf_counter() - started - sum(own)

    started = time.perf_counter()
    done = await turn.run(concierge.answer, heard)
    assert not done.failed, done.reason
    assert bool(turn.journalled) == (kind == "tool"), "answered in another way than was to be measured"
    rehearsal.log[:] = before
    return overhead_s * 1000


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="botel-bench-") as directory:
        pms = await SqlitePms.open(Path(directory) / "hotel.sqlite3", harbour(wall_clock().date()), wall_clock)
        try:
            overhead = Overhead(pms)
            await serve({"alone": overhead.alone, "at once": overhead.at_once})
        finally:
            await pms.close()


if __name__ == "__main__":
    run(main())
