"""An agent of your own behind the phone line: `BRAIN_AGENT=examples.florist:make_agent make local`.

Any LangChain agent or compiled graph with a `messages` state will do. This one needs no key, so that it can be tried:
put `create_agent(your_model, your_tools)` in its place.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph


async def answer(state: MessagesState) -> dict[str, list[AIMessage]]:
    """The conversation comes in as messages: what was said and written, and what was heard of the answers."""
    asked = state["messages"][-1].text
    return {"messages": [AIMessage(f"You asked: {asked} We have red roses today.")]}


def make_agent() -> CompiledStateGraph[Any, Any, Any, Any]:
    """A florist who has roses."""
    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
