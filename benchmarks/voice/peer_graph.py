"""The concierge's LangChain agent, as LiveKit's adapter wants a graph: the brain without bus, log or other channels.

Two things are done for the peer that the adapter does not do. Tool results are left out: it would read their JSON to
the guest. A guest's lines bear the mark of a spoken line: the prompt is made for that. Neither costs time to speak of.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage

from benchmarks.voice.journal import Generation
from services.brain.agent import OwnAgent
from services.brain.answer import wall_clock
from services.brain.domain import marks
from services.brain.ports import Pms
from services.brain.rehearsal import Rehearsal
from services.brain.turn_context import TurnContext


class InProcessGraph:
    """Has the one method that `LLMAdapter` calls. `note` is told of every run when it is over."""

    def __init__(self, agent: OwnAgent, pms: Pms, note: Callable[[Generation], None]) -> None:
        self._agent, self._pms, self._note = agent, pms, note

    async def astream(
        self, state: Mapping[str, list[BaseMessage]], *_: object, **__: object
    ) -> AsyncGenerator[tuple[AIMessageChunk, dict[str, Any]], None]:
        """The reply as pairs of chunk and metadata, as a graph streams in the mode `messages`."""
        run = Generation(text=str(state["messages"][-1].text), asked_s=time.time())
        try:
            async with contextlib.aclosing(self._say(state["messages"], run.text)) as chunks:
                async for chunk in chunks:
                    run.first_s = run.first_s or time.time()
                    yield chunk, {}
            run.finished = True
        finally:
            run.ended_s = time.time()
            self._note(run)

    async def _say(self, messages: list[BaseMessage], text: str) -> AsyncGenerator[AIMessageChunk, None]:
        turn = Rehearsal(_nobody).accept(text)
        context = TurnContext(turn=turn, pms=self._pms, now=wall_clock(), clock=wall_clock)
        async with contextlib.aclosing(self._agent.say([_marked(message) for message in messages], context)) as pieces:
            async for said in pieces:
                if said.text:
                    yield AIMessageChunk(content=said.text, id=said.message_id)


def _marked(message: BaseMessage) -> Any:
    if isinstance(message, HumanMessage):
        return HumanMessage(marks.mark(str(message.text), by_text=False))
    return message


async def _nobody(_: object) -> AsyncGenerator[str, None]:
    """The rehearsal is asked for a turn to journal in, never to answer it."""
    raise NotImplementedError
    yield
