"""What the brain adds to its model: from a turn in hand to the first words, over the model's own first token.

The bare model and the whole handler (context, repaired history, `create_agent` with all tools, whole words) run turn
and turn about in the same loop, so that a noisy machine disturbs both. The bus is not part of it.

Run as `python -m benchmarks.brain_overhead`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from libs.process import run, settle
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.history import messages_of
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.pms.sample import harbour
from services.brain.rehearsal import Rehearsal

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
TALK = ("hello", "when is breakfast", "is there a pool", "what room am i in", "can i check out at two", "no thanks") * 2
"""What has been said before: a history of some length with tool calls in it."""


class SteadyModel(BaseChatModel):
    """Says so many words at a steady pace, whatever it is asked. Seconds."""

    first_token_s: float
    token_s: float
    words: int

    @property
    def _llm_type(self) -> str:
        return "steady"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        chunks = [ChatGenerationChunk(message=AIMessageChunk(content="word " * self.words))]
        return generate_from_stream(iter(chunks))

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(self.first_token_s)
        for _ in range(self.words):
            yield ChatGenerationChunk(message=AIMessageChunk(content="word "))
            await asyncio.sleep(self.token_s)


@dataclass(frozen=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        ordered = sorted(1000 * value for value in seconds)

        def at(share: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

        return cls(at(0.50), at(0.95), at(0.99), round(ordered[-1], 3))


@dataclass(frozen=True)
class Overhead:
    """First words beyond the time that the model takes by itself, in both ways of asking it."""

    at_once: int
    turns: int
    model: Spread
    """`model.astream`, nothing around it."""
    handler: Spread
    """The brain's handler."""
    cpu_ms_per_turn: float
    """Of the handler and its model together, by the handler's turns alone."""


async def measure(
    *,
    at_once: int,
    turns: int,
    first_token_s: float = 0.0,
    token_s: float = 0.0,
    words: int = 60,
    apart_s: float = 0.0,
) -> Overhead:
    """`turns` turns each way, `at_once` of them at a time, begun `apart_s` seconds after one another."""
    pms = MemoryPms(harbour(NOW.date()), lambda: NOW)
    talk = Rehearsal(Concierge(OwnAgent(OfflineChatModel()), pms, clock=lambda: NOW).answer, customer_id="guest-204")
    for line in TALK:
        await talk.say(line)
    turn = talk.accept("tell me a story")
    model = SteadyModel(first_token_s=first_token_s, token_s=token_s, words=words)
    concierge = Concierge(OwnAgent(model), pms, clock=lambda: NOW)
    shown = messages_of(turn.events, turn.message.turn_id)

    async def by_handler() -> float:
        begun, first = time.perf_counter(), 0.0

        def told(_: str) -> None:
            nonlocal first
            first = first or time.perf_counter() - begun

        await talk.again(turn.message).run(concierge.answer, on_text=told)
        return first - first_token_s

    async def by_model() -> float:
        return await _first_of(model, shown) - first_token_s

    bare: list[float] = []
    whole: list[float] = []
    cpu = 0.0
    for batch in range(-1, max(1, turns // at_once)):
        found = await _batch(by_model, at_once, apart_s)
        spent = time.process_time()
        took = await _batch(by_handler, at_once, apart_s)
        if batch >= 0:  # the first one warms up
            cpu += time.process_time() - spent
            bare += found
            whole += took
    return Overhead(at_once, len(whole), Spread.of(bare), Spread.of(whole), round(1000 * cpu / len(whole), 2))


async def _first_of(model: BaseChatModel, messages: Sequence[AnyMessage]) -> float:
    begun, first = time.perf_counter(), 0.0
    stream = model.astream(list(messages))
    async with contextlib.aclosing(stream) as parts:  # type: ignore[type-var]
        async for part in parts:
            if part.text:
                first = first or time.perf_counter() - begun
    return first


async def _batch(one: Callable[[], Any], at_once: int, apart_s: float) -> list[float]:
    async def later(seconds: float) -> float:
        await asyncio.sleep(seconds)
        found: float = await one()
        return found

    return list(await asyncio.gather(*(later(n * apart_s) for n in range(at_once))))


async def both() -> list[Overhead]:
    """Alone, and a hundred at once: a model with 300 ms to its first token and 100 tokens a second."""
    settle()
    return [
        await measure(at_once=1, turns=300),
        await measure(at_once=100, turns=500, first_token_s=0.3, token_s=0.01, apart_s=0.02),
    ]


def main() -> None:
    for found in run(both()):
        print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
