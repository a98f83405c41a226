"""Spans of a run's model and tool calls, from LangChain's callbacks: of our own agent's and of a user's alike.

Attributes are OpenTelemetry's for generative AI. What was asked and answered is in none of them: of a tool's arguments
and result only that there were some, unless words are switched on.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from libs.bus.handler import Turn
from libs.bus.run_span import about
from libs.bus.tracing import Kind, Span, Tracer, Value

_MAX_WORDS = 4_000


class CallSpans(AsyncCallbackHandler):
    """Of one run of one turn. `close` ends what the end of the run has cut off."""

    run_inline = True

    def __init__(self, tracer: Tracer, turn: Turn) -> None:
        self._tracer, self._trace = tracer, turn.trace
        self._about = about(turn.message)
        self._conversation = turn.grant.conversation_id
        self._open: dict[UUID, Span] = {}
        self._asked: dict[UUID, float] = {}
        """Model calls that have said nothing yet: when they were asked, in seconds of a clock of its own."""

    def close(self) -> None:
        for span in self._open.values():
            span.end(error="stopped")
        self._open.clear()

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        known = metadata or {}
        model = str(known.get("ls_model_name", ""))
        told: dict[str, Value] = {
            **self._about,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": str(known.get("ls_provider", "")),
            "gen_ai.request.model": model,
            "gen_ai.request.stream": True,
            "gen_ai.conversation.id": self._conversation,
            "botel.messages": len(messages[0]) if messages else 0,
        }
        if isinstance(temperature := known.get("ls_temperature"), int | float):
            told["gen_ai.request.temperature"] = temperature
        self._asked[run_id] = time.perf_counter()
        self._open[run_id] = self._tracer.start(f"chat {model}".strip(), self._trace, kind=Kind.CLIENT, attributes=told)

    async def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if run_id in self._asked:
            took_s = time.perf_counter() - self._asked.pop(run_id)
            if span := self._open.get(run_id):
                span.set({"gen_ai.response.time_to_first_chunk": round(took_s, 6)})

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        if span := self._open.pop(run_id, None):
            span.set(_answered(response))
            span.end()

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if span := self._open.pop(run_id, None):
            span.end(error=type(error).__name__)

    async def on_tool_start(self, serialized: dict[str, Any], input_str: str, *, run_id: UUID, **kwargs: Any) -> None:
        name = str((serialized or {}).get("name", "") or kwargs.get("name", ""))
        told: dict[str, Value] = {
            **self._about,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.arguments": self._tracer.words(input_str[:_MAX_WORDS]),
        }
        if call_id := kwargs.get("tool_call_id"):
            told["gen_ai.tool.call.id"] = str(call_id)
        self._open[run_id] = self._tracer.start(f"execute_tool {name}", self._trace, attributes=told)

    async def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if span := self._open.pop(run_id, None):
            ok = getattr(output, "status", "success") != "error"
            text = str(getattr(output, "text", output))[:_MAX_WORDS]
            span.set({"botel.tool.ok": ok, "gen_ai.tool.call.result": self._tracer.words(text)})
            span.end()

    async def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if span := self._open.pop(run_id, None):
            span.set({"botel.tool.ok": False})
            span.end(error=type(error).__name__)


def _answered(response: LLMResult) -> dict[str, Value]:
    """What the provider told of its answer."""
    first = response.generations[0][0] if response.generations and response.generations[0] else None
    message = first.message if isinstance(first, ChatGeneration) else None
    if not isinstance(message, AIMessage):
        return {}
    told: dict[str, Value] = {}
    if usage := message.usage_metadata:
        told["gen_ai.usage.input_tokens"] = usage["input_tokens"]
        told["gen_ai.usage.output_tokens"] = usage["output_tokens"]
        told["gen_ai.usage.cache_read.input_tokens"] = usage.get("input_token_details", {}).get("cache_read", 0)
    about_it = message.response_metadata
    if model := about_it.get("model_name"):
        told["gen_ai.response.model"] = str(model)
    if reason := about_it.get("finish_reason"):
        told["gen_ai.response.finish_reasons"] = [str(reason)]
    return told
