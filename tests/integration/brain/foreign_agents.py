"""LangChain agents as other people write them: own prompt, own tools, own graph; they know nothing of this product."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

seen: list[list[BaseMessage]] = []
"""What the models below were shown, call by call."""
_streams: dict[str, int] = {"open": 0}


def open_streams() -> int:
    return _streams["open"]


class Florist(BaseChatModel):
    """Asks the price of a flower that the guest names, then tells it."""

    delay_s: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "florist"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, Any]:
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        seen.append(list(messages))
        _streams["open"] += 1
        try:
            last = messages[-1]
            if isinstance(last, HumanMessage) and "rose" in last.text:
                call = tool_call_chunk(name="flower_price", args='{"flower": "rose"}', id="f1", index=0)
                yield ChatGenerationChunk(message=AIMessageChunk(content="Let me look. ", tool_call_chunks=[call]))
                return
            text = f"That is {last.text}." if isinstance(last, ToolMessage) else f"You said: {last.text}."
            for word in text.split(" "):
                await asyncio.sleep(self.delay_s)
                yield ChatGenerationChunk(message=AIMessageChunk(content=word + " "))
        finally:
            _streams["open"] -= 1


@tool
async def flower_price(flower: str) -> str:
    """Price of a flower."""
    return f"four euros a {flower}"


sold: list[str] = []
"""Flowers that a tool has really sold."""


@tool("flower_price")
async def sell(flower: str) -> str:
    """Sells a flower, which nobody can undo."""
    sold.append(flower)
    return f"a {flower} is yours"


def seller() -> Runnable[Any, Any]:
    return create_agent(Florist(), [sell])


def florist() -> Runnable[Any, Any]:
    return create_agent(Florist(), [flower_price], system_prompt="You sell flowers.")


def slow_florist() -> Runnable[Any, Any]:
    return create_agent(Florist(delay_s=0.05), [flower_price])


def florist_with_memory() -> Runnable[Any, Any]:
    return create_agent(Florist(), [flower_price], checkpointer=InMemorySaver())


@dataclass
class Customer:
    customer_id: str
    channel: str


@tool
async def flower_price_for(flower: str, runtime: ToolRuntime[Customer, Any]) -> str:
    """Price of a flower for this customer."""
    return f"four euros for {runtime.context.customer_id} by {runtime.context.channel}"


flower_price_for.name = "flower_price"


def florist_with_context() -> Runnable[Any, Any]:
    return create_agent(Florist(), [flower_price_for], context_schema=Customer)


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def own_graph() -> Runnable[Any, Any]:
    """A graph without create_agent: a silent step that calls a model, then one that speaks."""

    async def speak(state: State, config: RunnableConfig) -> dict[str, Any]:
        who = config["configurable"]["customer_id"]
        return {"messages": [AIMessage(f"Dear {who}, this graph has {len(state['messages'])} messages.")]}

    graph = StateGraph(State)
    graph.add_node("speak", speak)
    graph.add_edge(START, "speak")
    graph.add_edge("speak", END)
    return graph.compile()


def function() -> Runnable[Any, Any]:
    async def answer(state: dict[str, Any]) -> dict[str, Any]:
        return {"messages": [*state["messages"], AIMessage("A plain function answers.")]}

    return RunnableLambda(answer)


def failing() -> Runnable[Any, Any]:
    async def answer(state: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("a secret of the guest")

    return RunnableLambda(answer)


def not_an_agent() -> str:
    return "hello"


async def coroutine() -> Runnable[Any, Any]:
    return florist()


ready_made = florist()
