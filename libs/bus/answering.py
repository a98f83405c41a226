"""From an activation to its last commit: claim, run the handler, commit, and the conversation's next turn in place."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable

from libs.bus.bus import Bus
from libs.bus.handler import Done, Handler, TurnStopped
from libs.bus.queue import Claimed, Committed, TurnQueue
from libs.bus.run import Run
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import (
    Author,
    Channel,
    MessageReceived,
    ReplyGenerated,
    ReplyStatus,
    ReplyTimings,
)
from libs.contracts.keys import Keys
from libs.contracts.turns import Activation, Grant, Verdict

_log = logging.getLogger(__name__)

_UNRUN = {
    Verdict.CANCELLED: (ReplyStatus.CANCELLED, "cancelled before it was answered"),
    Verdict.EXPIRED: (ReplyStatus.EXPIRED, "not begun before its deadline"),
    Verdict.EXHAUSTED: (ReplyStatus.DEAD, "every attempt ended without a commit"),
}
_UNREADABLE = (ReplyStatus.DEAD, "the message of the turn is empty or does not decode")


class Answering:
    """Answers the activations of one shard for one worker. `runs` is what it runs now, by conversation."""

    def __init__(self, bus: Bus, keys: Keys, worker_id: str, handler: Handler, now_ms: Callable[[], int]) -> None:
        self._bus, self._keys, self._worker, self._handler = bus, keys, worker_id, handler
        self._queue = TurnQueue(bus, keys, worker_id)
        self._now_ms = now_ms
        self.runs: dict[str, Run | None] = {}
        """None between a claim being sent and the run being known."""
        self._claims = itertools.count()
        self._entries: dict[str, str] = {}
        self._ended: dict[str, asyncio.Event] = {}

    async def answer(self, activation: Activation) -> None:
        """Take the conversation and answer its turns until it rests, is handed over or is lost to another run."""
        conversation = activation.conversation_id
        while conversation in self.runs:
            if self._entries[conversation] == activation.entry_id:
                return  # read twice after a reconnect: it is being answered
            # The turn before it is committed, but this entry was read before the commit's reply.
            await self._ended[conversation].wait()
        self.runs[conversation] = None
        self._entries[conversation] = activation.entry_id
        self._ended[conversation] = asyncio.Event()
        started = time.monotonic()
        try:
            claimed = await self._queue.claim(activation, f"claim-{next(self._claims)}")
            if isinstance(claimed, str):
                _log.info("turn not taken", extra={"conversation_id": conversation, "reason": claimed})
                return
            await self._answer_all(claimed, started)
        except BusUnavailable as error:
            _log.warning("turn left to others", extra={"conversation_id": conversation, "reason": error.detail})
        finally:
            del self.runs[conversation], self._entries[conversation]
            self._ended.pop(conversation).set()

    async def _answer_all(self, claimed: Claimed, started: float) -> None:
        for budget in range(self._bus.settings.fairness, -1, -1):
            committed = await self._answer_one(claimed, budget, (time.monotonic() - started) * 1000)
            if committed.outcome != "next":
                return
            started = time.monotonic()
            claimed = await self._queue.following(claimed.grant.conversation_id, committed)

    async def _answer_one(self, claimed: Claimed, budget: int, context_ms: float) -> Committed:
        grant = claimed.grant
        queue_ms = max(0.0, self._now_ms() - grant.item.accepted_ms)
        self._bus.observer.claimed(grant.verdict.value, queue_ms, grant.attempt)
        message = _message_of(claimed)
        run = Run(self._bus, self._keys, self._worker, grant, message, claimed.events, claimed.context)
        self.runs[grant.conversation_id] = run
        unrun = _UNRUN.get(grant.verdict) or (None if message.text else _UNREADABLE)
        if unrun:
            status, reason = unrun
            reply = self._reply(run, status, grant.draft, Done(reason=reason), ReplyTimings(queue_ms=queue_ms))
            return await self._commit(run, reply, len(grant.draft.encode()), b"", budget)
        status, done = await self._drive(run)
        timings = ReplyTimings(
            queue_ms=queue_ms,
            context_ms=context_ms,
            first_token_ms=done.first_token_ms,
            total_ms=(time.monotonic() - run.started) * 1000,
        )
        return await self._end(run, status, done, timings, budget)

    async def _drive(self, run: Run) -> tuple[ReplyStatus, Done]:
        """Run the handler; whatever it does becomes a status."""
        try:
            async with asyncio.timeout(self._bus.settings.run_cap_ms / 1000):
                done = await run.answer(self._handler)
        except TurnStopped as error:
            if run.stopped in ("cancelled", "full"):
                status = ReplyStatus.CANCELLED if run.stopped == "cancelled" else ReplyStatus.FAILED
                return status, Done(reason=run.stopped)
            raise BusUnavailable(f"the run was stopped: {error.detail}") from error
        except TimeoutError:
            return ReplyStatus.FAILED, Done(reason="took longer than any turn may")
        except BusUnavailable:
            raise
        except Exception as error:
            _log.exception("handler failed", extra={"turn_id": run.grant.item.turn_id})
            return ReplyStatus.FAILED, Done(reason=f"{type(error).__name__}")
        return (ReplyStatus.FAILED if done.failed else ReplyStatus.FINISHED), done

    async def _end(self, run: Run, status: ReplyStatus, done: Done, timings: ReplyTimings, budget: int) -> Committed:
        """Commit; a cancel that came first, or an emit that did not land, is taken into account and tried again."""
        while True:
            if run.stopped:
                length = await run.landed()
                text, offset, words = run.text_up_to(length), length, b""
            else:
                text, (offset, words) = run.text, run.unsent()
            reply = self._reply(run, status, text, done, timings)
            committed = await self._commit(run, reply, offset, words, budget)
            if committed.outcome == "cancelled":
                run.stop("cancelled")
                status, done = ReplyStatus.CANCELLED, Done(reason="cancelled", model=done.model, usage=done.usage)
            elif committed.outcome == "gap":
                run.resend_from(committed.number)
            else:
                return committed

    async def _commit(self, run: Run, reply: ReplyGenerated, offset: int, words: bytes, budget: int) -> Committed:
        committed = await self._queue.commit(
            run.grant,
            reply.status,
            [reply],
            gateways=run.gateways,
            offset=offset,
            last_words=words,
            reason=reply.reason,
            budget=budget,
        )
        if committed.outcome == "fenced":
            self._bus.observer.fenced("commit")
        elif committed.outcome in ("idle", "ready", "next"):
            total = reply.timings.total_ms if reply.timings else 0.0
            self._bus.observer.committed(reply.status.value, total)
        return committed

    def _reply(self, run: Run, status: ReplyStatus, text: str, done: Done, timings: ReplyTimings) -> ReplyGenerated:
        message, turn = run.message, run.grant.item.turn_id
        return ReplyGenerated(
            id=f"{turn}.reply",
            time_ms=self._now_ms(),
            property_id=message.property_id,
            conversation_id=run.grant.conversation_id,
            author=Author.CONCIERGE,
            channel=message.channel,
            turn_id=turn,
            trace=message.trace,
            text=text,
            status=status,
            reason=done.reason,
            model=done.model,
            usage=done.usage,
            timings=timings,
        )


def _message_of(claimed: Claimed) -> MessageReceived:
    """The head turn's message: the log has it, at the number that the mailbox names."""
    item = claimed.grant.item
    for event in reversed(claimed.events):
        if event.number == item.number and isinstance(event, MessageReceived):
            return event
    return _lost_message(claimed.grant, claimed.context)


def _lost_message(grant: Grant, context: dict[str, str]) -> MessageReceived:
    """A message that does not decode, or lies beyond the log tail: an empty one, so that the turn still ends."""
    return MessageReceived(
        id=grant.item.turn_id,
        time_ms=grant.item.accepted_ms,
        property_id=context.get("property_id", ""),
        conversation_id=grant.conversation_id,
        author=Author.GUEST,
        channel=Channel.TEXT,
        turn_id=grant.item.turn_id,
        text="",
        number=grant.item.number,
    )
