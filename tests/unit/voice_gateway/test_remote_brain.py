"""The brain as a language model: which ends of a reply are ends, and what becomes of the line's stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from livekit.agents import APIError, llm

from libs.contracts.events import ReplyStatus
from services.voice_gateway.background import Background
from services.voice_gateway.call_turns import CallTurns
from services.voice_gateway.domain.manners import Patience
from services.voice_gateway.ports import ReplyPiece, SpokenTurn
from services.voice_gateway.remote_brain import RemoteBrain
from tests.integration.voice_gateway.callers import ScriptedBrain


def says(*pieces: ReplyPiece) -> ScriptedBrain:
    async def script(_: SpokenTurn) -> AsyncGenerator[ReplyPiece, None]:
        for piece in pieces:
            yield piece

    return ScriptedBrain(script)


async def answer(line: ScriptedBrain) -> str:
    background = Background()
    brain = RemoteBrain(line, CallTurns(), Patience(), background, lambda _: None)
    asked = llm.ChatContext()
    asked.add_message(role="user", content="is the pool open")
    said = ""
    try:
        async with asyncio.timeout(5), brain.chat(chat_ctx=asked) as stream:
            async for chunk in stream:
                said += (chunk.delta.content or "") if chunk.delta else ""
    finally:
        await background.close(1)
    return said


@pytest.mark.parametrize("status", [ReplyStatus.FINISHED, ReplyStatus.CANCELLED, ReplyStatus.FAILED])
async def test_a_reply_that_is_over(status: ReplyStatus) -> None:
    """A failed turn's words hold the brain's own excuse."""
    assert await answer(says(ReplyPiece("It "), ReplyPiece("is.", status))) == "It is."


@pytest.mark.parametrize("status", [ReplyStatus.DEAD, ReplyStatus.EXPIRED])
async def test_a_reply_that_nobody_finishes_is_an_error_though_it_has_words(status: ReplyStatus) -> None:
    line = says(ReplyPiece("The pool "), ReplyPiece("", status))
    with pytest.raises(APIError, match=status.value):
        await answer(line)


class Kept(ScriptedBrain):
    """Keeps the streams that it gives out, so that none is closed by being forgotten."""

    def ask(self, turn: SpokenTurn, *, deadline_ms: int) -> AsyncGenerator[ReplyPiece, None]:
        self.stream = super().ask(turn, deadline_ms=deadline_ms)
        return self.stream


async def test_the_lines_stream_is_closed_after_the_last_piece() -> None:
    async def script(_: SpokenTurn) -> AsyncGenerator[ReplyPiece, None]:
        yield ReplyPiece("It is.", ReplyStatus.FINISHED)
        yield ReplyPiece("never asked for")

    line = Kept(script)
    assert await answer(line) == "It is."
    assert await anext(line.stream, None) is None
    assert list(line.written.values()) == ["It is."]
