"""The offline concierge as a LangChain chat model: real tool calls, streamed word by word."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from services.brain.offline.concierge import next_step
from services.brain.offline.transcript import Kind, Line, Plan, Say

NAME = "offline-concierge"
_WORD = re.compile(r"\S+\s*")


class OfflineChatModel(BaseChatModel):
    """Deterministic. Delays are seconds, for trying how a slower model feels; 0 still yields to the loop per word."""

    first_token_s: float = 0.0
    token_s: float = 0.0
    model_name: str = NAME

    @property
    def _llm_type(self) -> str:
        return NAME

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model_name}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(iter(list(self._chunks(messages, kwargs.get("tools")))))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from self._chunks(messages, kwargs.get("tools"))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(self.first_token_s)
        for chunk in self._chunks(messages, kwargs.get("tools")):
            yield chunk
            await asyncio.sleep(self.token_s)

    def _chunks(self, messages: list[BaseMessage], tools: list[dict[str, Any]] | None) -> Iterator[ChatGenerationChunk]:
        lines = lines_of(messages)
        plan = next_step(lines, frozenset(tool["function"]["name"] for tool in tools or ()))
        read = sum(len(line.text) for line in lines) // 4 + 1
        pieces = list(_pieces(plan, sum(line.kind is Kind.CALL for line in lines)))
        count = len(pieces)
        yield from (ChatGenerationChunk(message=piece) for piece in pieces)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                chunk_position="last",
                response_metadata={
                    "finish_reason": "stop" if isinstance(plan, Say) else "tool_calls",
                    "model_name": self.model_name,
                },
                usage_metadata=UsageMetadata(input_tokens=read, output_tokens=count, total_tokens=read + count),
            )
        )


def _pieces(plan: Plan, calls_so_far: int) -> Iterator[AIMessageChunk]:
    if isinstance(plan, Say):
        for word in _WORD.findall(plan.text):
            yield AIMessageChunk(content=word)
        return
    for index, (name, arguments) in enumerate(plan.calls):
        call_id = f"call_{calls_so_far + index}_{name}"
        text = json.dumps(arguments, sort_keys=True)
        yield AIMessageChunk(
            content="", tool_call_chunks=[tool_call_chunk(name=name, args="", id=call_id, index=index)]
        )
        yield AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(args=text, index=index)])


def lines_of(messages: Sequence[BaseMessage]) -> list[Line]:
    """LangChain's messages as the rules see them."""
    out: list[Line] = []
    for message in messages:
        match message:
            case SystemMessage():
                out.append(Line(Kind.SYSTEM, message.text))
            case HumanMessage():
                out.append(Line(Kind.GUEST, message.text))
            case ToolMessage():
                out.append(Line(Kind.RESULT, message.text, call_id=message.tool_call_id))
            case AIMessage():
                if message.text:
                    out.append(Line(Kind.CONCIERGE, message.text))
                out.extend(
                    Line(Kind.CALL, call_id=call["id"] or "", name=call["name"], arguments=call["args"])
                    for call in message.tool_calls
                )
    return out
