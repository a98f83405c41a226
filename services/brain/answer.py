"""The brain's handler: a turn in, the pieces of its reply out. It does no I/O of the bus; the worker publishes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from langchain_core.messages import AnyMessage
from langchain_core.messages.ai import UsageMetadata, add_usage

from libs.bus.handler import Done, Turn, TurnStopped
from libs.contracts.errors import BotelError
from libs.contracts.events import AnyEvent, Channel, Usage
from services.brain import journal
from services.brain.agent import Agent, Said
from services.brain.domain.continuation import Continuation
from services.brain.domain.cost import Prices
from services.brain.domain.speech import Words
from services.brain.earlier import EarlierEvents
from services.brain.history import going_on, messages_of, situation
from services.brain.ports import Pms, PmsError
from services.brain.tools import BINDING, EFFECTS
from services.brain.turn_context import TurnContext, completed_calls, context_of
from services.brain.untold import untold

_log = logging.getLogger(__name__)

APOLOGY = "I'm sorry, I have a problem at the moment. Please try again, or dial the front desk."
_FREE = Prices()
APOLOGY_MIDWAY = "I'm sorry, I lost the thread there. Please ask me again."


def wall_clock() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Concierge:
    """Answers turns with one agent. `answer` is a `libs.bus.handler.Handler`; a concierge serves any number at once."""

    def __init__(
        self,
        agent: Agent,
        pms: Pms,
        *,
        model_name: str = "",
        clock: Callable[[], datetime] = wall_clock,
        tool_timeout_s: float = 8.0,
        earlier: EarlierEvents | None = None,
        desks: tuple[str, ...] = (),
        prices: Prices = _FREE,
    ) -> None:
        self._agent, self._pms, self._clock, self._desks = agent, pms, clock, desks
        self._prices = prices
        self._model_name = model_name
        self._tool_timeout_s = tool_timeout_s
        self._earlier = earlier

    async def answer(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        """Yield whole words as the model makes them, then `Done`.

        A failing model ends in an apology, recorded as a failed reply. A cancel and `TurnStopped` pass through and
        stop the model at once.
        """
        reply = _Reply(turn, self._prices)
        try:
            context, messages = await self._prepare(turn)
            async with contextlib.aclosing(self._agent.say(messages, context)) as pieces:
                async for said in pieces:
                    if words := reply.take(said):
                        yield words
                    if said.usage:  # known message by message; a turn that is stopped keeps what it has cost so far
                        yield reply.done(self._model_name)
            if words := reply.rest():
                yield words
            yield reply.done(self._model_name)
        except TurnStopped:
            raise
        except Exception as error:
            reason = error.code if isinstance(error, BotelError) else type(error).__name__
            # The message of a provider's error may quote the guest: only its type is told.
            _log.warning("model failed", extra={"turn_id": turn.grant.item.turn_id, "reason": reason})
            _log.debug("model failure", exc_info=True)
            for words in reply.apology():
                yield words
            yield replace_done(reply.done(self._model_name), reason)

    async def _prepare(self, turn: Turn) -> tuple[TurnContext, list[AnyMessage]]:
        """What the agent is told: the repaired conversation, the situation, and what an earlier run left behind."""
        context = context_of(turn, self._pms, self._clock, await self._local_time(turn), self._desks)
        settled = await journal.settle(context, turn.events, EFFECTS, self._tool_timeout_s)
        events: Sequence[AnyEvent] = [*turn.events, *settled] if settled else turn.events
        if turn.grant.attempt > 1 or settled:
            context = replace(context, done=completed_calls(events, context.turn_id))
        if self._earlier:
            message, conversation = turn.message, turn.grant.conversation_id
            events = [*await self._earlier.before(message.property_id, conversation, turn.events), *events]
        messages = messages_of(events, context.turn_id, mark_all=self._agent.marks_all)
        if self._agent.marks_all:
            news = untold(events, context.turn_id, BINDING)
            now = situation(context.now, turn.context, voice=context.by_voice, untold=news, desks=self._desks)
            messages.insert(_own_line(messages), now)
        if turn.grant.draft:
            messages += going_on(turn.grant.draft)
        return context, messages

    async def _local_time(self, turn: Turn) -> datetime:
        now = self._clock()
        try:
            hotel = await self._pms.property(turn.message.property_id)
        except PmsError:
            return now
        return now.astimezone(ZoneInfo(hotel.timezone))


def _own_line(messages: Sequence[AnyMessage]) -> int:
    """Where the turn's own guest line stands: what comes before it is the same in the next turn's prompt."""
    return max((at for at, message in enumerate(messages) if message.type == "human"), default=len(messages))


def replace_done(done: Done, reason: str) -> Done:
    """The same, as a failure."""
    return Done(model=done.model, usage=done.usage, first_token_ms=done.first_token_ms, failed=True, reason=reason)


class _Reply:
    """The reply as it grows: whole words, without what the guest already has."""

    def __init__(self, turn: Turn, prices: Prices) -> None:
        self._prices = prices
        self._words = Words(spoken=turn.message.channel is Channel.VOICE)
        self._seam = Continuation(turn.grant.draft)
        self._begun = bool(turn.grant.draft)
        self._blank = not turn.grant.draft or turn.grant.draft[-1].isspace()
        self._asked = time.perf_counter()
        self._first_ms = 0.0
        self._usage: UsageMetadata | None = None
        self._model = ""
        self._message_id = ""
        self._raw_blank = True

    def take(self, said: Said) -> str:
        """Words that are ready to be emitted."""
        if said.usage:
            self._usage = add_usage(self._usage, said.usage)
        self._model = said.model or self._model
        if not said.text:
            return ""
        self._first_ms = self._first_ms or (time.perf_counter() - self._asked) * 1000
        text = said.text
        if said.message_id != self._message_id:
            if self._message_id and not (self._raw_blank or text[0].isspace()):
                text = " " + text  # a second model message, after tools: not one word with the first
            self._message_id = said.message_id
        self._raw_blank = text[-1].isspace()
        return self._out(self._seam.feed(self._words.feed(text)))

    def rest(self) -> str:
        """The last words, when the model has ended."""
        return self._out(self._seam.feed(self._words.flush()) + self._seam.flush())

    def apology(self) -> list[str]:
        """What is said when the model fails; words held back are kept back, half an answer is no answer."""
        return [APOLOGY] if not self._begun else [("" if self._blank else " ") + APOLOGY_MIDWAY]

    def done(self, model: str) -> Done:
        return Done(model=self._model or model, usage=self._spent(), first_token_ms=self._first_ms)

    def _spent(self) -> Usage | None:
        if self._usage is None:
            return None
        read, written = self._usage["input_tokens"], self._usage["output_tokens"]
        cached = self._usage.get("input_token_details", {}).get("cache_read", 0)
        cost = self._prices.cost_micro(input_tokens=read, output_tokens=written, cached_tokens=cached)
        return Usage(input_tokens=read, output_tokens=written, cached_tokens=cached, cost_micro=cost)

    def _out(self, text: str) -> str:
        if not self._begun:
            text = text.lstrip()
        if text:
            self._begun, self._blank = True, text[-1].isspace()
        return text
