"""An agent of your own behind the phone line: `BRAIN_AGENT=examples.florist:make_agent make local`.

Any LangChain agent or compiled graph with a `messages` state will do. This one needs no key, so that it can be tried:
put your model in the place of the canned one.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import Runnable, RunnableLambda


def make_agent() -> Runnable[Any, Any]:
    """A florist who has roses."""

    async def answer(state: dict[str, list[AnyMessage]]) -> dict[str, list[AnyMessage]]:
        asked = str(state["messages"][-1].content)
        model = GenericFakeChatModel(messages=iter([AIMessage(f"You asked about {asked!r}. We have red roses today.")]))
        return dict(await create_agent(model).ainvoke({"messages": state["messages"]}))

    return RunnableLambda(answer)
