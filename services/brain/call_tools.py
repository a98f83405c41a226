"""What the concierge can do with the guest's call: end it, pause it, put the guest through.

A tool only requests: the record is the request, and the voice gateway carries it out when the guest has heard the
reply. What came of it is an event of its own; a failure is told at a later turn (libs.contracts.projection).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, tool
from pydantic import Field

from libs.contracts.commands import AnyCommand, HangUp, Pause, Resume, Transfer, check_command
from libs.contracts.events import Author, CommandRequested
from libs.contracts.limits import MAX_PAUSE_S
from services.brain import results
from services.brain.domain.calls import command_id
from services.brain.domain.desks import find_desk
from services.brain.ports import NotFound, NotPermitted
from services.brain.turn_context import TurnContext

Runtime = ToolRuntime[Any, Any]
"""Its context is a TurnContext. Pydantic builds a validator for all that the annotation names, and ports have none."""
HANG_UP, TRANSFER, PAUSE, RESUME = "hang_up", "transfer_call", "pause_call", "resume_call"


@tool(HANG_UP)
async def hang_up(runtime: Runtime, reason: Annotated[str, Field(max_length=200)] = "") -> str:
    """End the call. Only when the guest has said goodbye or asks for it. Say goodbye in the same reply: the call ends
    when the guest has heard it."""
    await _request(runtime.context, HANG_UP, HangUp(reason=reason))
    return results.requested("The call ends when you have finished speaking. Say goodbye now, if you have not.")


@tool(TRANSFER)
async def transfer_call(to: Annotated[str, Field(max_length=64)], runtime: Runtime) -> str:
    """Put the guest through to a desk of the hotel. `to` is one of the desks that you can put the guest through to."""
    context: TurnContext = runtime.context
    desk = find_desk(to, context.desks)
    if not desk:
        known = ", ".join(context.desks) or "none"
        raise NotFound(f"There is no desk {to!r} to put the guest through to. Desks: {known}.")
    await _request(context, TRANSFER, Transfer(to=desk), about=desk)
    return results.requested(
        f"The guest is put through to {desk} when you have finished speaking. Say so in one sentence."
    )


@tool(PAUSE)
async def pause_call(runtime: Runtime, seconds: Annotated[int, Field(ge=0, le=MAX_PAUSE_S)] = 0) -> str:
    """Be quiet for a while, because the guest asks you to wait or talks to somebody else. Without seconds until the
    guest speaks to you again."""
    await _request(runtime.context, PAUSE, Pause(seconds=seconds))
    return results.requested("You are quiet when you have finished speaking, until the guest calls you.")


@tool(RESUME)
async def resume_call(runtime: Runtime) -> str:
    """Answer again in a call that was paused."""
    await _request(runtime.context, RESUME, Resume())
    return results.requested("You answer in the call again.")


CALL_TOOLS: tuple[BaseTool, ...] = (hang_up, transfer_call, pause_call, resume_call)
_NAMES = frozenset(tool.name for tool in CALL_TOOLS)


def offered(context: TurnContext) -> frozenset[str]:
    """The call tools of a turn: all while the guest speaks in a call, from a text message only to resume it."""
    if not context.call_id:
        return frozenset()
    if not context.by_voice:
        return frozenset({RESUME})
    return _NAMES if context.desks else _NAMES - {TRANSFER}


class InCall(AgentMiddleware[AgentState[Any], TurnContext]):
    """Shows a model the call tools only while there is a call that they could do something with."""

    async def awrap_model_call(
        self,
        request: ModelRequest[TurnContext],
        handler: Callable[[ModelRequest[TurnContext]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any] | AIMessage:
        hidden = _NAMES - offered(request.runtime.context)
        if not hidden:
            return await handler(request)
        tools = [one for one in request.tools if not (isinstance(one, BaseTool) and one.name in hidden)]
        return await handler(request.override(tools=tools))


async def _request(context: TurnContext, name: str, command: AnyCommand, about: str = "") -> None:
    """Record the request, once for a turn however often it is run; `about` tells two of one turn apart."""
    if name not in offered(context):
        raise NotPermitted("There is no call that this could be done with.")
    check_command(command)
    message, own_id = context.turn.message, command_id(context.conversation_id, context.turn_id, name, about)
    await context.turn.journal(
        CommandRequested(
            id=f"{own_id}.requested",
            time_ms=int(context.clock().timestamp() * 1000),
            property_id=context.property_id,
            conversation_id=context.conversation_id,
            turn_id=context.turn_id,
            trace=context.turn.trace,
            author=Author.CONCIERGE,
            channel=message.channel,
            command_id=own_id,
            command=command,
            call_id=context.call_id,
        )
    )
