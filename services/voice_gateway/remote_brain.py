"""The brain in another process, as a LiveKit language model: one question is one turn on the line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from livekit.agents import APIConnectOptions, APIError, APITimeoutError, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr

from libs.contracts.errors import BotelError
from libs.contracts.events import ReplyStatus
from services.voice_gateway.background import Background
from services.voice_gateway.call_turns import CallTurns
from services.voice_gateway.domain.manners import Patience
from services.voice_gateway.domain.timeline import Exchange
from services.voice_gateway.ports import BrainLink, ReplyPiece, SpokenTurn
from services.voice_gateway.turn_spans import TurnSpans

_ANSWERED = frozenset([ReplyStatus.FINISHED, ReplyStatus.CANCELLED])
_BROKEN_OFF = frozenset([ReplyStatus.DEAD, ReplyStatus.EXPIRED])
"""No brain finished the reply: words of it are the beginning of something."""


class RemoteBrain(llm.LLM[str]):
    """Retries nothing: the bus brings a turn to another brain by itself, a retry here would ask twice."""

    def __init__(
        self,
        link: BrainLink,
        turns: CallTurns,
        patience: Patience,
        background: Background,
        on_asked: Callable[[Exchange], None],
        spans: TurnSpans | None = None,
        leaves: Callable[[], bool] = lambda: False,
    ) -> None:
        """`leaves`: this gateway stops to speak, and another may go on with the call and its answer."""
        super().__init__()
        self.spans = spans or TurnSpans()
        self.link, self.turns, self.patience, self.background = link, turns, patience, background
        self.on_asked, self._leaves = on_asked, leaves
        self.kept: list[str] = []
        """Turns that were broken off so and not cancelled: who knows that the call is over cancels them."""

    @property
    def model(self) -> str:
        return "remote-brain"

    @property
    def provider(self) -> str:
        return "botel"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        return _Reply(self, chat_ctx, tools or [], APIConnectOptions(max_retry=0, timeout=conn_options.timeout))

    def broken_off(self, turn_id: str) -> None:
        """An answer ends here before its end."""
        if self._leaves():
            self.kept.append(turn_id)
        else:
            # Not in the caller's task: it may be the one that is being cancelled.
            self.background.add("cancel", self.link.cancel(turn_id))


class _Reply(llm.LLMStream):
    """The answer to the last thing that the guest said."""

    def __init__(
        self, brain: RemoteBrain, chat_ctx: llm.ChatContext, tools: list[llm.Tool], conn_options: APIConnectOptions
    ) -> None:
        super().__init__(brain, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)
        self._brain = brain

    async def _run(self) -> None:
        """Raises APIError when there is no answer, or no more of it: the concierge then says so."""
        message = next((item for item in reversed(self._chat_ctx.messages()) if item.role == "user"), None)
        if message is None or not (message.text_content or "").strip():
            raise APIError("nothing was said", retryable=False)
        exchange = self._brain.turns.begin(message)
        self._brain.spans.asked(exchange)
        with self._brain.spans.inside(exchange):
            self._brain.on_asked(exchange)
            ended = False
            try:
                await self._stream(exchange)
                ended = True
            except BotelError as error:
                raise APIError(f"{error.code}: {error.detail}", retryable=False) from error
            finally:
                if not ended:
                    self._brain.broken_off(exchange.turn_id)

    async def _stream(self, exchange: Exchange) -> None:
        patience = self._brain.patience
        turn = SpokenTurn(
            turn_id=exchange.turn_id,
            text=exchange.text,
            confidence=exchange.confidence,
            speech=exchange.speech,
            trace=exchange.trace,
        )
        limit = patience.first_words_s
        asked = self._brain.link.ask(turn, deadline_ms=int(patience.first_words_s * 1000))
        async with contextlib.aclosing(asked) as pieces:
            while (piece := await _next(pieces, limit)) is not None:
                self._brain.spans.received(exchange, piece)
                if piece.text:
                    exchange.first_words_at = exchange.first_words_at or self._brain.turns.clock()
                    limit = patience.stall_s
                    self._say(exchange.turn_id, piece.text)
                if piece.end is not None:
                    if piece.end in _BROKEN_OFF or (piece.end not in _ANSWERED and not exchange.first_words_at):
                        raise APIError(f"the turn ended {piece.end}", retryable=False)
                    return
        raise APIError("the line broke off", retryable=False)

    def _say(self, turn_id: str, text: str) -> None:
        delta = llm.ChoiceDelta(role="assistant", content=text, extra={"turn": turn_id})
        self._event_ch.send_nowait(llm.ChatChunk(id=turn_id, delta=delta))


async def _next(pieces: AsyncIterator[ReplyPiece], limit_s: float) -> ReplyPiece | None:
    try:
        return await asyncio.wait_for(anext(pieces, None), limit_s)
    except TimeoutError as error:
        raise APITimeoutError(f"no words for {limit_s} s", retryable=False) from error
