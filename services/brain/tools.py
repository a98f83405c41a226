"""The concierge's tools over the Pms port, and the middleware that every call goes through."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, time
from typing import Annotated, Any, cast

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import ToolCallRequest
from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.types import Command
from pydantic import BeforeValidator, Field, ValidationError

from services.brain import journal, results
from services.brain.domain.calls import canonical
from services.brain.journal import Call, Effect, Outcome
from services.brain.ports import NotFound, NotPermitted
from services.brain.turn_context import FIND_RESERVATION, TurnContext

Runtime = ToolRuntime[Any, Any]
"""Its context is a TurnContext. Pydantic builds a validator for all that the annotation names, and ports have none."""
MAX_NIGHTS = 30
_CLOCK = re.compile(r"(\d{1,2})(?:[:.h]?(\d{2}))?\s*(am|pm)?", re.IGNORECASE)


def clock_time(value: object) -> object:
    """`2 pm`, `14:00` and `14` as `14:00`, so that one wish has one idempotency key; anything else as it is."""
    found = _CLOCK.fullmatch(str(value).strip())
    if not found:
        return value
    hour, minute, half = int(found[1]), int(found[2] or 0), (found[3] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return f"{hour:02d}:{minute:02d}"


ClockTime = Annotated[
    str, BeforeValidator(clock_time), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="24-hour time, HH:MM")
]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="date, YYYY-MM-DD")]
Short = Annotated[str, Field(max_length=64)]


@tool
async def property_info(topic: Short, runtime: Runtime) -> str:
    """Facts about the hotel. topic is one word, for example breakfast, wifi, pool, spa, parking, checkout, checkin,
    restaurant, bar, gym, pets, luggage, airport, taxi, laundry, roomservice, smoking, address, or facilities for a
    tour of the whole house."""
    hotel = await runtime.context.pms.property(runtime.context.property_id)
    wanted = topic.casefold().replace("-", "").replace(" ", "")
    known = hotel.facts.get(wanted)
    if known is None:
        raise NotFound(f"Nothing is known about {topic!r}. Known topics: {', '.join(hotel.facts)}.")
    return results.fact(known)


@tool(FIND_RESERVATION)
async def find_reservation(runtime: Runtime, code: Short = "", last_name: Short = "") -> str:
    """The guest's reservation: room, dates, check-out time. Without arguments it is the known guest's own; with both
    code and last_name, which the guest must have told, any other."""
    context = runtime.context
    if bool(code) != bool(last_name):
        raise NotPermitted("Ask the guest for both the reservation code and the last name.")
    hotel = await context.pms.property(context.property_id)
    if not code:
        return results.reservation(await context.stay(), hotel)
    found = await context.pms.reservations(context.property_id, code=code, last_name=last_name)
    if not found:
        raise NotFound("No reservation has this code and name.")
    return results.reservation(found[0], hotel)


@tool
async def check_availability(
    arrival: Day,
    runtime: Runtime,
    nights: Annotated[int, Field(ge=1, le=MAX_NIGHTS)] = 1,
    guests: Annotated[int, Field(ge=1, le=20)] = 1,
) -> str:
    """Free room types for a stay, with the total price."""
    context, day = runtime.context, _day(arrival)
    if day < context.now.date():
        raise NotFound(f"{arrival} is over; today is {context.now.date().isoformat()}.")
    found = await context.pms.availability(context.property_id, arrival=day, nights=nights, guests=guests)
    return results.availability(found, arrival, nights, guests)


@tool
async def offer_late_checkout(time: ClockTime, runtime: Runtime) -> str:
    """Make an offer for a late check-out on the guest's day of departure. Answers an offer id, the time that can be
    given and the price; books nothing."""
    arguments = {"time": time}
    return await _offer(runtime.context, runtime.context.key("offer_late_checkout", arguments), arguments)


@tool
async def accept_offer(offer_id: Short, runtime: Runtime) -> str:
    """Book an offer that was made before, after the guest has clearly said yes to its time and price."""
    arguments = {"offer_id": offer_id}
    return await _accept(runtime.context, runtime.context.key("accept_offer", arguments), arguments)


async def _offer(context: TurnContext, key: str, arguments: Mapping[str, Any]) -> str:
    stay = await context.stay()
    requested = time.fromisoformat(arguments["time"])
    made = await context.pms.propose_late_checkout(context.property_id, code=stay.code, requested=requested, key=key)
    return results.offer(made)


async def _accept(context: TurnContext, key: str, arguments: Mapping[str, Any]) -> str:
    offer_id = arguments["offer_id"]
    offer, stay = await context.pms.offer(context.property_id, offer_id=offer_id), await context.stay()
    if offer.reservation_code != stay.code:
        raise NotFound("No such offer.")
    return results.booking(await context.pms.accept_offer(context.property_id, offer_id=offer_id, key=key))


TOOLS: tuple[BaseTool, ...] = (property_info, find_reservation, check_availability, offer_late_checkout, accept_offer)
EFFECTS: Mapping[str, Effect] = {"offer_late_checkout": _offer, "accept_offer": _accept}
"""Tools that write. They are journalled on both sides and settled by key."""
BINDING = frozenset({"accept_offer"})
"""Those that change the guest's stay or bill: one that the guest did not hear of is told at the next turn. An offer
binds only the hotel."""


class Journalled(AgentMiddleware[AgentState[Any], TurnContext]):
    """Canonical arguments, reuse of what an earlier run has done, timeouts, errors as advice, and the journal.

    Only a cancel and `TurnStopped` leave a tool call as exceptions.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        if request.tool is None:
            return await handler(request)
        context = cast("TurnContext", request.runtime.context)
        try:
            arguments = _validated(request.tool, request.tool_call["args"])
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            return _message(request, results.mistake("invalid-arguments", wrong, "Correct them and call again."), False)
        call = Call(request.tool_call["id"] or "", request.tool_call["name"], canonical(arguments))
        known = context.done.get((call.name, call.arguments))
        if known is not None:
            return _message(request, known)
        asked = request.override(tool_call={**request.tool_call, "args": arguments})

        async def work() -> str:
            answer = await handler(asked)
            return str(answer.text) if isinstance(answer, ToolMessage) else ""

        run = journal.effect if call.name in EFFECTS else journal.read
        outcome: Outcome = await run(context, call, work, self._timeout_s)
        return _message(request, outcome.text, outcome.ok)


def _validated(called: BaseTool, arguments: dict[str, Any]) -> dict[str, Any]:
    schema: Any = called.tool_call_schema
    given: dict[str, Any] = schema.model_validate(arguments).model_dump(mode="json", exclude_none=True)
    return given


def _message(request: ToolCallRequest, text: str, ok: bool = True) -> ToolMessage:
    return ToolMessage(
        text,
        tool_call_id=request.tool_call["id"],
        name=request.tool_call["name"],
        status="success" if ok else "error",
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotFound(f"{text} is not a date.") from error
