"""Agents behind one face: ours, made with `create_agent`, and any LangChain agent that a user brings.

Both are shown the conversation as messages and stream back what they say; the answer neither knows nor cares which.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel

from libs.contracts.errors import BotelError
from services.brain import journal
from services.brain.call_tools import CALL_TOOLS, InCall
from services.brain.domain.calls import canonical
from services.brain.prompt import SYSTEM_PROMPT
from services.brain.tools import TOOLS, Journalled
from services.brain.turn_context import TurnContext

MAX_STEPS = 16
"""Graph steps of one turn; a model that goes round in circles ends here."""


class AgentNotUsable(BotelError):
    code: ClassVar[str] = "agent-not-usable"
    advice = "BRAIN_AGENT must be package.module:factory, where factory() returns a LangChain agent (or is one)."


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """A piece of what an agent says."""

    text: str
    message_id: str = ""
    """Pieces of one model message share it; '' where it is not told."""
    usage: UsageMetadata | None = None
    model: str = ""


class Agent(Protocol):
    marks_all: bool
    """Whether it is shown every guest line with its channel."""

    def say(self, messages: Sequence[AnyMessage], context: TurnContext) -> AsyncGenerator[Said, None]:
        """Stream the reply to the last guest line. Closing the generator stops the model at once."""


class OwnAgent:
    """`create_agent` with the hotel's tools. Built once: the graph holds no state and no guest."""

    marks_all = True

    def __init__(self, model: BaseChatModel, *, tool_timeout_s: float = 8.0, tools: Sequence[BaseTool] = TOOLS) -> None:
        self._graph = create_agent(
            model,
            [*tools, *CALL_TOOLS],
            system_prompt=SYSTEM_PROMPT,
            middleware=[Journalled(tool_timeout_s), InCall()],
            context_schema=TurnContext,
        )

    async def say(self, messages: Sequence[AnyMessage], context: TurnContext) -> AsyncGenerator[Said, None]:
        stream = self._graph.astream(
            {"messages": list(messages)}, _config(context), context=context, stream_mode="messages"
        )
        async with contextlib.aclosing(stream) as parts:  # type: ignore[type-var]
            async for message, about in parts:
                if isinstance(message, AIMessageChunk) and _node(about) == "model":
                    yield _said(message)


class ForeignAgent:
    """A user's agent: a compiled graph with a `messages` state, or any runnable that takes and gives messages.

    It runs its own tools in its own way. A call of a graph is written down before it runs, so that none begins in a
    turn that was cancelled or taken over, and after, so that the next turn's model sees it. They are not settled as
    ours are: a successor's model is told that an outcome is unknown, and may call again.
    """

    marks_all = False

    def __init__(self, agent: Runnable[Any, Any]) -> None:
        self._agent = agent
        self._nodes = frozenset({"model", "agent"} & set(agent.nodes)) if isinstance(agent, Pregel) else frozenset()

    async def say(self, messages: Sequence[AnyMessage], context: TurnContext) -> AsyncGenerator[Said, None]:
        speak = self._graph(self._agent, messages, context) if isinstance(self._agent, Pregel) else None
        async with contextlib.aclosing(speak or self._runnable(messages, context)) as pieces:
            async for said in pieces:
                yield said

    async def _graph(
        self, graph: Pregel[Any, Any, Any, Any], messages: Sequence[AnyMessage], context: TurnContext
    ) -> AsyncGenerator[Said, None]:
        calls: dict[str, tuple[str, dict[str, Any]]] = {}
        stream = graph.astream(
            {"messages": list(messages)},
            _config(context),
            context=_context_for(graph, context),
            stream_mode=["messages", "updates"],
        )
        async with contextlib.aclosing(stream) as parts:  # type: ignore[type-var]
            async for mode, data in parts:
                if mode == "updates":
                    await _write_down(data, calls, context)
                elif isinstance(data[0], AIMessage) and self._speaks(_node(data[1])):
                    yield _said(data[0])

    async def _runnable(self, messages: Sequence[AnyMessage], context: TurnContext) -> AsyncGenerator[Said, None]:
        stream = self._agent.astream({"messages": list(messages)}, _config(context))
        async with contextlib.aclosing(stream) as parts:  # type: ignore[type-var]
            async for part in parts:
                if isinstance(part, str):
                    yield Said(part)
                elif isinstance(part, AIMessage):
                    yield _said(part)
                elif isinstance(part, Mapping) and (last := _last_reply(part.get("messages"))):
                    yield _said(last)

    def _speaks(self, node: str) -> bool:
        """In a graph of the usual shape only its model speaks; in any other, every node that is not a tool's."""
        return node in self._nodes if self._nodes else node != "tools"


def load_agent(path: str) -> ForeignAgent:
    """The agent that `package.module:factory` names; `AgentNotUsable` says what is wrong with it."""
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise AgentNotUsable(f"BRAIN_AGENT={path!r} is not package.module:factory")
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise AgentNotUsable(f"BRAIN_AGENT={path!r}: {error}") from error
    agent = factory if isinstance(factory, Runnable) else factory() if callable(factory) else factory
    if inspect.iscoroutine(agent):
        agent.close()
        raise AgentNotUsable(f"BRAIN_AGENT={path!r}: the factory must not be async")
    if not isinstance(agent, Runnable):
        raise AgentNotUsable(f"BRAIN_AGENT={path!r}: {type(agent).__name__} is not a LangChain agent")
    return ForeignAgent(agent)


def _config(context: TurnContext) -> RunnableConfig:
    """Names a run in traces, and gives a foreign checkpointer a thread of its own: history comes in as messages."""
    ids = {
        "property_id": context.property_id,
        "conversation_id": context.conversation_id,
        "turn_id": context.turn_id,
        "channel": context.turn.message.channel.value,
    }
    guest = {"customer_id": context.customer_id, "reservation_id": context.reservation_id}
    thread = f"{context.conversation_id}/{context.turn_id}/{context.turn.grant.epoch}"
    return {
        "run_name": "brain.turn",
        "recursion_limit": MAX_STEPS,
        "callbacks": list(context.callbacks),
        "metadata": dict(ids),
        "configurable": {"thread_id": thread, **ids, **guest},
    }


def _context_for(graph: Pregel[Any, Any, Any, Any], context: TurnContext) -> Any:
    """Ours, for a graph that asks for nothing or for ours; else a mapping with what its schema names of the guest."""
    schema = getattr(graph, "context_schema", None)
    if schema is None or schema is TurnContext:
        return context
    known = _config(context)["configurable"]
    return {name: known[name] for name in inspect.get_annotations(schema) if name in known}


def _node(about: Any) -> str:
    return str(about.get("langgraph_node", ""))


def _said(message: AIMessage) -> Said:
    return Said(
        message.text,
        message.id or "",
        message.usage_metadata,
        str(message.response_metadata.get("model_name", "")),
    )


def _last_reply(messages: Any) -> AIMessage | None:
    last = messages[-1] if isinstance(messages, Sequence) and messages else None
    return last if isinstance(last, AIMessage) else None


async def _write_down(data: Any, calls: dict[str, tuple[str, dict[str, Any]]], context: TurnContext) -> None:
    """Journal the tool calls that a finished step of a foreign graph brings. Its next step begins after this."""
    for update in data.values() if isinstance(data, Mapping) else ():
        found = update.get("messages", ()) if isinstance(update, Mapping) else ()
        for message in found if isinstance(found, Sequence) else (found,):
            if isinstance(message, AIMessage):
                for call in message.tool_calls:
                    calls[call["id"] or ""] = call["name"], call["args"]
                    made = journal.Call(call["id"] or "", call["name"], canonical(call["args"]))
                    await context.turn.journal(journal.announced(context, made))
            elif isinstance(message, ToolMessage) and message.tool_call_id in calls:
                await _journal(message, *calls[message.tool_call_id], context)


async def _journal(message: BaseMessage, name: str, arguments: dict[str, Any], context: TurnContext) -> None:
    assert isinstance(message, ToolMessage)
    call = journal.Call(message.tool_call_id, name, canonical(arguments))
    ok = message.status != "error"
    await context.turn.journal(journal.observed(context, call, str(message.text), ok=ok))
