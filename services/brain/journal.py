"""Tool calls on the record: requested before a side effect, completed after any call, settled after a crash.

A side effect runs to its end under `Turn.effect`, its completion included: a guest who interrupts stops the answer and
not half a booking.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.bus.handler import TurnStopped
from libs.contracts.events import AnyEvent, Author, ToolCompleted, ToolRequested
from services.brain import results
from services.brain.domain.calls import event_id, idempotency_key
from services.brain.ports import OutcomeUnknown, PmsError, Unavailable
from services.brain.turn_context import TurnContext

_log = logging.getLogger(__name__)

Effect = Callable[[TurnContext, str, Mapping[str, Any]], Awaitable[str]]
"""A side effect: context, idempotency key and arguments to a result."""

MAX_OLD_SETTLEMENTS = 4
"""Calls of earlier turns whose outcome is looked up before a turn."""

OLD_SETTLEMENT_TIMEOUT_S = 1.0
"""The guest waits in silence while they are looked up, before every turn as long as one stays open."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of a run."""

    id: str
    name: str
    arguments: str
    """Canonical JSON."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to."""

    text: str
    ok: bool = True
    known: bool = True
    """False: a side effect that may or may not have happened; it stays open on the record until it is settled."""


_UNKNOWN = Outcome(results.refusal(OutcomeUnknown()), ok=False, known=False)


async def read(context: TurnContext, call: Call, work: Callable[[], Awaitable[str]], timeout_s: float) -> Outcome:
    """Run a call without side effect and record its completion."""
    outcome = await _attempt(work, timeout_s)
    await context.turn.journal(_completed(context, _requested(context, call), outcome))
    return outcome


async def effect(context: TurnContext, call: Call, work: Callable[[], Awaitable[str]], timeout_s: float) -> Outcome:
    """Record a side effect, run it to its end, settle it if its answer is lost, and record what it came to.

    One whose outcome stays unknown is not begun again in its turn: a hotel system without keys would do it twice.
    """
    if (call.name, call.arguments) in context.unknown:
        return _UNKNOWN
    key = idempotency_key(context.conversation_id, context.turn_id, call.name, call.arguments)
    request = _requested(context, call, key)
    await context.turn.journal(request)

    async def whole() -> Outcome:
        outcome = await _attempt(work, timeout_s, write=True)
        if not outcome.known:
            outcome = await _lookup(context, key, outcome, timeout_s)
        if outcome.known:
            await context.turn.journal(_completed(context, request, outcome))
        else:
            context.unknown.add((call.name, call.arguments))
        return outcome

    return await context.turn.effect(whole)


async def settle(
    context: TurnContext, events: Sequence[AnyEvent], effects: Mapping[str, Effect], timeout_s: float
) -> list[ToolCompleted]:
    """Find out what became of calls that were requested and never completed, before a model is asked anything.

    One of this turn is looked up by its key, repeated under the same key if nothing was done, and recorded. One of an
    earlier turn is only looked up, and recorded when it was done: its guest has moved on. Until then it stays open,
    because whoever began it may still be asleep over it.
    """
    done = {(event.turn_id, event.call_id) for event in events if isinstance(event, ToolCompleted)}
    waiting = [e for e in events if isinstance(e, ToolRequested) and (e.turn_id, e.call_id) not in done]
    mine = [e for e in waiting if e.turn_id == context.turn_id and e.name in effects]
    old = [e for e in waiting if e.turn_id != context.turn_id and e.name in effects][-MAX_OLD_SETTLEMENTS:]
    found = list(await asyncio.gather(*(_settle_old(context, request, timeout_s) for request in old)))
    found += [await _settle_mine(context, request, effects[request.name], timeout_s) for request in mine]
    return [completed for completed in found if completed]


async def _settle_mine(
    context: TurnContext, request: ToolRequested, run: Effect, timeout_s: float
) -> ToolCompleted | None:
    key = request.idempotency_key

    async def again() -> str:
        try:
            made = await context.pms.settle(context.property_id, key=key)
        except Unavailable as error:  # nobody has looked: what the earlier run did may stand
            raise OutcomeUnknown(error.detail) from error
        if made:
            return results.settled(made)
        await context.turn.journal(msgspec.structs.replace(request, number=0))  # may it still begin?
        return await run(context, key, json.loads(request.arguments))

    async def whole() -> ToolCompleted | None:
        outcome = await _attempt(again, timeout_s, write=True)
        if not outcome.known:
            context.unknown.add((request.name, request.arguments))
            return None
        completed = _completed(context, request, outcome)
        await context.turn.journal(completed)
        return completed

    return await context.turn.effect(whole)


async def _settle_old(context: TurnContext, request: ToolRequested, timeout_s: float) -> ToolCompleted | None:
    limit_s = min(timeout_s, OLD_SETTLEMENT_TIMEOUT_S)
    outcome = await _lookup(context, request.idempotency_key, _UNKNOWN, limit_s, gone="It did not happen.")
    if not outcome.known:
        return None
    name = event_id(context.conversation_id, request.turn_id, 0, request.call_id, "settled")
    settled = _answer(request, outcome, name, _now_ms(context), 0)
    if outcome.ok:
        await context.turn.journal(settled)
    return msgspec.structs.replace(settled, number=context.turn.grant.last_number + 1 if outcome.ok else request.number)


async def _attempt(work: Callable[[], Awaitable[str]], timeout_s: float, *, write: bool = False) -> Outcome:
    """The call's result, or its failure as advice. A cancel and a stop of the turn pass through."""
    try:
        async with asyncio.timeout(timeout_s):
            return Outcome(await work())
    except TurnStopped:
        raise
    except TimeoutError:
        late = OutcomeUnknown("No answer in time.") if write else Unavailable("No answer in time.")
        return Outcome(results.refusal(late), ok=False, known=not write)
    except PmsError as error:
        return Outcome(results.refusal(error), ok=False, known=not isinstance(error, OutcomeUnknown))
    except Exception as error:
        _log.exception("tool failed", extra={"error": type(error).__name__})
        advice = "Apologise and offer the front desk. Do not say that it is done."
        return Outcome(results.mistake("internal", type(error).__name__, advice), ok=False, known=not write)


async def _lookup(context: TurnContext, key: str, otherwise: Outcome, timeout_s: float, gone: str = "") -> Outcome:
    """What stands under the key; if nothing does, `gone` as the outcome, else `otherwise`."""
    try:
        async with asyncio.timeout(timeout_s):
            made = await context.pms.settle(context.property_id, key=key)
    except (TimeoutError, PmsError):
        return otherwise
    if made:
        return Outcome(results.settled(made))
    return Outcome(results.mistake("not-done", gone, "Do not say that it is done."), ok=False) if gone else otherwise


def _requested(context: TurnContext, call: Call, key: str = "") -> ToolRequested:
    message = context.turn.message
    return ToolRequested(
        id=event_id(context.conversation_id, context.turn_id, context.turn.grant.epoch, call.id, "requested"),
        time_ms=_now_ms(context),
        property_id=context.property_id,
        conversation_id=context.conversation_id,
        turn_id=context.turn_id,
        trace=context.turn.trace,
        author=Author.CONCIERGE,
        channel=message.channel,
        call_id=call.id,
        name=call.name,
        arguments=call.arguments,
        idempotency_key=key,
        draft_offset=context.turn.offset,
    )


def _completed(context: TurnContext, request: ToolRequested, outcome: Outcome) -> ToolCompleted:
    name = event_id(context.conversation_id, context.turn_id, context.turn.grant.epoch, request.call_id, "completed")
    return _answer(request, outcome, name, _now_ms(context), context.turn.offset)


def _answer(request: ToolRequested, outcome: Outcome, name: str, time_ms: int, offset: int) -> ToolCompleted:
    asked = msgspec.structs.asdict(request)
    told = {"id": name, "time_ms": time_ms, "number": 0, "draft_offset": offset}
    return ToolCompleted(**{**asked, **told}, result=outcome.text, ok=outcome.ok)


def announced(context: TurnContext, call: Call) -> ToolRequested:
    """The record of a call that someone else's agent is about to make."""
    return _requested(
        context, call, idempotency_key(context.conversation_id, context.turn_id, call.name, call.arguments)
    )


def observed(context: TurnContext, call: Call, result: str, *, ok: bool) -> ToolCompleted:
    """The record of a call that someone else's agent has made by itself."""
    return _completed(context, _requested(context, call), Outcome(result[: results.MAX_RESULT_CHARS], ok=ok))


def _now_ms(context: TurnContext) -> int:
    return int(context.clock().timestamp() * 1000)
