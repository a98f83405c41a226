"""From an activation to its last commit: claim, run the handler, commit, and the conversation's next turn in place."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from libs.bus.bus import Bus
from libs.bus.handler import Done, Handler
from libs.bus.insisting import insist
from libs.bus.lease import Reaper
from libs.bus.outcome import fitting, message_of, so_far
from libs.bus.queue import Claimed, Committed, TurnQueue
from libs.bus.run import Run
from libs.bus.run_span import begin_run
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import Author, ReplyGenerated, ReplyStatus, ReplyTimings
from libs.contracts.keys import Keys
from libs.contracts.turns import Activation, Verdict

_log = logging.getLogger(__name__)
_UNRUN = {
    Verdict.CANCELLED: (ReplyStatus.CANCELLED, "cancelled before it was answered"),
    Verdict.EXPIRED: (ReplyStatus.EXPIRED, "not begun before its deadline"),
    Verdict.EXHAUSTED: (ReplyStatus.DEAD, "every attempt ended without a commit"),
}
_ENDS = {"cancelled": ReplyStatus.CANCELLED, "full": ReplyStatus.FAILED}
"""Why a run may be stopped and still end its turn itself."""
_UNREADABLE = (ReplyStatus.DEAD, "the message of the turn is empty or does not decode")


class _Busy:
    """An activation that is being answered."""

    def __init__(self, entry_id: str) -> None:
        self.entry_id = entry_id
        self.over = asyncio.Event()


class Answering:
    """Answers the activations of one shard for one worker. `runs` is what it runs now, by conversation."""

    def __init__(
        self,
        bus: Bus,
        keys: Keys,
        worker_id: str,
        handler: Handler,
        now_ms: Callable[[], int],
        renew: Callable[[], Awaitable[int]],
    ) -> None:
        self._bus, self._keys, self._worker, self._handler = bus, keys, worker_id, handler
        self._renew = renew
        self._queue = TurnQueue(bus, keys, worker_id)
        self._reaper = Reaper(bus, keys, worker_id)
        self._now_ms = now_ms
        self.runs: dict[str, Run | None] = {}
        """None between a claim being sent and the run being known."""
        self._claims = itertools.count()
        self._busy: dict[str, _Busy] = {}
        self._withdrawn: dict[str, str] = {}
        """Turn cancelled while its run was not known yet, by conversation."""
        self.draining = False
        """No further turn is taken; one that is given up is handed over at once."""

    def answers(self, entry_id: str) -> bool:
        """Whether this entry is being answered."""
        return any(busy.entry_id == entry_id for busy in self._busy.values())

    def cancel(self, conversation: str, turn_id: str) -> None:
        """Stop the turn if it runs here, or as soon as it does: its grant may be on its way."""
        run = self.runs.get(conversation)
        if run and run.grant.item.turn_id == turn_id:
            run.stop("cancelled")
        elif conversation in self.runs:
            self._withdrawn[conversation] = turn_id

    async def answer(self, activation: Activation) -> None:
        """Take the conversation and answer its turns until it rests, is handed over or is lost to another run."""
        trace = activation.message.trace if activation.message else ""
        ids = {"conversation_id": activation.conversation_id, "turn_id": activation.turn_id}
        with self._bus.tracer.inside(trace, **ids):
            await self._answer(activation)

    async def _answer(self, activation: Activation) -> None:
        conversation = activation.conversation_id
        try:
            free = not self.draining and await self._free(activation)
            if self.draining:
                await self._reaper.put_back(activation.entry_id)
            if not free or self.draining:
                return
            busy = self._busy[conversation] = _Busy(activation.entry_id)
            self.runs[conversation] = None
            try:
                await self._take(activation)
            except asyncio.CancelledError:
                await self._hand_over(conversation)
                raise
            finally:
                del self.runs[conversation], self._busy[conversation]
                self._withdrawn.pop(conversation, None)
                busy.over.set()
        except BusUnavailable as error:
            _log.warning("turn left to others", extra={"conversation_id": conversation, "reason": error.detail})

    async def _free(self, activation: Activation) -> bool:
        """Wait for the run of an earlier activation, which is about to end or has lost the conversation.

        False for an entry that was read twice after a reconnect: it is being answered.
        """
        conversation = activation.conversation_id
        while busy := self._busy.get(conversation):
            if busy.entry_id == activation.entry_id:
                return False
            if run := self.runs[conversation]:
                await run.confirm()
            await busy.over.wait()
        return True

    async def _hand_over(self, conversation: str) -> None:
        """The grace period is over: others need not wait until all that this worker runs has ended."""
        run = self.runs[conversation]
        if self.draining and run:
            with contextlib.suppress(BusUnavailable):
                await self._reaper.give_back(conversation, run.grant.epoch)

    async def _take(self, activation: Activation) -> None:
        conversation, started = activation.conversation_id, time.monotonic()
        try:
            claimed = await self._claim(activation, f"claim-{next(self._claims)}")
            if isinstance(claimed, str):
                _log.info("turn not taken", extra={"conversation_id": conversation, "reason": claimed})
            else:
                await self._answer_all(claimed, started)
        except BusUnavailable:
            raise
        except Exception as error:
            # What broke may break every worker that tries: it costs an attempt, so that the turn ends as a dead letter.
            _log.exception("answering failed", extra={"conversation_id": conversation})
            epoch = await self._bus.commands.send("HGET", self._keys.conv(conversation), "ep")
            why = f"failed: {type(error).__name__}"
            await self._reaper.give_back(conversation, int(epoch or 0), refund=False, why=why)

    async def _claim(self, activation: Activation, token: str) -> Claimed | str:
        claimed = await self._queue.claim(activation, token)
        if claimed == "lapsed":  # this process slept; the entry is in its hands, so it wakes up first
            await self._renew()
            claimed = await self._queue.claim(activation, token)
        return claimed

    async def _answer_all(self, claimed: Claimed, started: float) -> None:
        for budget in range(self._bus.settings.fairness, -1, -1):
            committed = await self._answer_one(claimed, budget, (time.monotonic() - started) * 1000)
            if committed.outcome != "next":
                return
            started = time.monotonic()
            claimed = await self._queue.following(claimed.grant.conversation_id, committed)

    async def _answer_one(self, claimed: Claimed, budget: int, context_ms: float) -> Committed:
        grant, message = claimed.grant, message_of(claimed)
        span = begin_run(self._bus.tracer, self._worker, grant, message, context_ms)
        ids = {"conversation_id": grant.conversation_id, "turn_id": grant.item.turn_id}
        error = ""
        try:
            with self._bus.tracer.inside(span.trace, property_id=message.property_id, **ids):
                run = Run(self._bus, self._keys, self._worker, grant, message, claimed.events, claimed.context, span)
                return await self._run(run, claimed, budget, context_ms)
        except BaseException as broken:
            error = type(broken).__name__
            raise
        finally:
            span.end(error=error)

    async def _run(self, run: Run, claimed: Claimed, budget: int, context_ms: float) -> Committed:
        grant, message = claimed.grant, run.message
        queue_ms = max(0.0, self._now_ms() - grant.item.accepted_ms)
        self._bus.observer.claimed(grant.verdict.value, queue_ms, grant.attempt)
        self.runs[grant.conversation_id] = run
        if self._withdrawn.pop(grant.conversation_id, "") == grant.item.turn_id:
            run.stop("cancelled")
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
            first_words_ms=run.first_words_ms and context_ms + run.first_words_ms,
        )
        return await self._end(run, status, done, timings, budget)

    async def _drive(self, run: Run) -> tuple[ReplyStatus, Done]:
        """Run the handler; whatever it does becomes a status. `BusUnavailable` when this run may not end the turn."""
        cap = asyncio.timeout(self._bus.settings.run_cap_ms / 1000)
        try:
            async with cap:
                done = await run.answer(self._handler)
        except BusUnavailable:
            raise
        except Exception as error:
            if cap.expired():
                return ReplyStatus.FAILED, so_far(run.done, "took longer than any turn may")
            if not run.stopped:
                _log.exception("handler failed", extra={"turn_id": run.grant.item.turn_id})
                return ReplyStatus.FAILED, so_far(run.done, type(error).__name__)
            done = so_far(run.done)
        if run.stopped in _ENDS:
            return _ENDS[run.stopped], msgspec.structs.replace(done, reason=run.stopped)
        if run.stopped:
            raise BusUnavailable(f"the run was stopped: {run.stopped}")
        return (ReplyStatus.FAILED if done.failed else ReplyStatus.FINISHED), done

    async def _end(self, run: Run, status: ReplyStatus, done: Done, timings: ReplyTimings, budget: int) -> Committed:
        """Commit; a cancel that came first, or an emit that did not land, is taken into account and tried again."""
        while True:
            if run.stopped == "full":
                status, done = ReplyStatus.FAILED, msgspec.structs.replace(done, reason="full")
            if run.stopped:
                length = await run.draft.landed()
                text, offset, words = run.draft.text_up_to(length), length, b""
            else:
                text, (offset, words) = run.draft.text, run.draft.unsent()
            reply = self._reply(run, status, text, done, timings)
            write = partial(self._commit, run, reply, offset, words, budget)
            committed = await insist(write, partial(_lost, run), self._bus.observer, "commit")
            if committed.outcome == "cancelled":
                run.stop("cancelled")
                status, done = ReplyStatus.CANCELLED, Done(reason="cancelled", model=done.model, usage=done.usage)
            elif committed.outcome == "gap":
                run.draft.resend_from(committed.number)
            else:
                return committed

    async def _commit(self, run: Run, reply: ReplyGenerated, offset: int, words: bytes, budget: int) -> Committed:
        reply = fitting(reply)
        committed = await self._queue.commit(
            run.grant,
            reply.status,
            [reply],
            gateways=run.draft.gateways,
            offset=offset,
            last_words=words,
            reason=reply.reason,
            budget=0 if self.draining else budget,
            trace=run.trace,
        )
        if committed.outcome == "fenced":
            self._bus.observer.fenced("commit")
        elif committed.outcome in ("idle", "ready", "next"):
            total = reply.timings.total_ms if reply.timings else 0.0
            self._bus.observer.committed(reply.status.value, total)
            if reply.status is ReplyStatus.DEAD:
                exhausted = run.grant.verdict is Verdict.EXHAUSTED
                self._bus.observer.dead_letter("exhausted" if exhausted else "unreadable")
            told = {"status": reply.status.value, "attempt": run.grant.attempt, "total_ms": round(total, 1)}
            _log.info("turn answered", extra={**told, "reason": reply.reason, "text": reply.text})
            if self._bus.tracer.on:
                said = self._bus.tracer.words(reply.text)
                run.span.set({"botel.reply.status": reply.status.value, "botel.reply": said})
            if committed.version != run.draft.version:
                with contextlib.suppress(BusUnavailable):
                    await self._queue.announce(run.grant, reply, committed.number, run.draft.gateways)
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
            trace=run.trace,
            text=text,
            status=status,
            reason=done.reason,
            model=done.model,
            usage=done.usage,
            timings=timings,
        )


def _lost(run: Run) -> bool:
    """Whether it was stopped for a reason for which it may not end its turn."""
    return bool(run.stopped) and run.stopped not in _ENDS
