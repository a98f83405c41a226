"""Looks after calls whose gateway is gone: sends another agent to the guest, or ends the call.

One runs in every voice gateway. They share the calls through reservations in Redis, so that each is looked after once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.bus.calls import Overdue
from libs.contracts.errors import BotelError, BusUnavailable, UnknownConversation
from libs.contracts.events import Author, CallEnded, Channel
from libs.observability import names
from services.voice_gateway.domain.takeover import Endurance, Verdict, judge
from services.voice_gateway.room_ports import CallWatch, Record, RoomService

_log = logging.getLogger(__name__)
GATEWAY_LOST = "gateway-lost"
"""Reason of a `call.ended` that no gateway could write."""
_MOST = 32
"""Calls that one watchdog looks after at the same time."""


class WatchdogSettings(BaseSettings):
    """Environment: BOTEL_WATCHDOG_*. Durations are seconds."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="BOTEL_WATCHDOG_", extra="ignore", env_ignore_empty=True)

    look_s: float = Field(default=0.5, gt=0)
    """At most a quarter of BOTEL_BUS_CALL_LEASE_MS: who looks more rarely judges nobody."""
    timeout_s: float = Field(default=3.0, gt=0)
    """Of a request to LiveKit."""
    takeovers: int = Field(default=5, ge=0)
    """Gateways that may die over one call before it is ended."""
    dispatches: int = Field(default=24, ge=1)
    """Agents that are sent in a row and do not come, before the call is ended; each is waited for as long as a
    reservation lasts, BOTEL_BUS_CALL_RESERVE_MS."""
    absent_s: float = Field(default=20.0, ge=0)
    """A guest who lost the connection together with the gateway may come back so long."""

    def endurance(self) -> Endurance:
        return Endurance(takeovers=self.takeovers, dispatches=self.dispatches, absent_ms=int(self.absent_s * 1000))


class WatchdogMetrics:
    """What one watchdog did."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lost = Counter(names.WATCHDOG_LEASES_LOST, "Calls found without a gateway", registry=registry)
        self.takeovers = Counter(names.WATCHDOG_TAKEOVERS, "Agents sent to such calls", registry=registry)
        self.ended = Counter(names.WATCHDOG_CALLS_ENDED, "Calls ended for their gateway", ["why"], registry=registry)


class Watchdog:
    """`run` until cancelled; needs nothing else."""

    def __init__(
        self,
        calls: CallWatch,
        rooms: RoomService,
        record: Record,
        settings: WatchdogSettings,
        metrics: WatchdogMetrics,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._calls, self._rooms, self._record = calls, rooms, record
        self._look_s, self._endurance = settings.look_s, settings.endurance()
        self._metrics, self._now_ms = metrics, now_ms
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: deque[tuple[str, int]] = deque(maxlen=1_000)
        """Leases that were told of, and counted if they were lost."""

    async def run(self) -> None:
        """Look again and again; calls are looked after meanwhile, so that a slow LiveKit makes no look late."""
        try:
            while True:
                sent = time.monotonic()
                await self._look()
                await asyncio.sleep(max(0.0, sent + self._look_s - time.monotonic()))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        free = _MOST - len(self._tasks)
        if not free:
            return
        try:
            found = await self._calls.overdue(free)
        except BusUnavailable as error:
            _log.warning("calls not looked at", extra={"reason": error.detail})
            return
        except (
            Exception
        ):  # a key that was damaged by hand, say: calls go on without a watchdog, and the gateway with them
            _log.exception("calls cannot be looked at")
            return
        for one in found:
            task = asyncio.create_task(self.attend(one), name=f"looks after {one.ticket.call_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def attend(self, call: Overdue) -> None:
        """Look after one call. What cannot be done now is left to whoever finds the call next."""
        called = _called(call)
        if call.epoch:
            self._miss(call)
        try:
            await self._settle(call)
        except BotelError as error:
            _log.warning("call left for later", extra={**called, "reason": error.detail})
        except Exception:
            _log.exception("call cannot be looked after", extra=called)

    def _miss(self, call: Overdue) -> None:
        """Say once that nobody answers a guest."""
        lost = (call.ticket.call_id, call.epoch)
        if lost not in self._told:
            self._told.append(lost)
            if call.left:
                _log.info("call handed over", extra=_called(call))
            else:
                self._metrics.lost.inc()
                _log.warning("call without a gateway", extra={**_called(call), "alone_ms": call.alone_ms})

    async def _settle(self, call: Overdue) -> None:
        ticket = call.ticket
        verdict = judge(
            await self._rooms.attendance(ticket.call_id, ticket.guest),
            deaths=ticket.takeover - ticket.handovers,
            left=call.left,
            dispatches=call.dispatches,
            alone_ms=call.alone_ms,
            endurance=self._endurance,
        )
        if verdict is Verdict.WAIT or not await self._calls.confirm(call):
            return  # confirm: its gateway may have come back while LiveKit was asked
        if verdict is Verdict.SEND:
            self._miss(call)
            # Who was never answered is greeted, not apologised to.
            ticket = msgspec.structs.replace(
                ticket, takeover=ticket.takeover + (call.epoch > 0), handovers=ticket.handovers + call.left
            )
            await self._rooms.send_agent(ticket)
            self._metrics.takeovers.inc()
            _log.warning("another agent sent", extra={"call_id": ticket.call_id, "takeover": ticket.takeover})
            return
        await self._record_end(call)
        if verdict is Verdict.GIVE_UP:
            await self._rooms.close(ticket.call_id)
        if not await self._calls.forget(ticket, epoch=call.epoch):
            return
        if not call.epoch and verdict is Verdict.END:
            _log.info("nobody came to a call", extra=_called(call))
        else:
            self._metrics.ended.labels("guest-gone" if verdict is Verdict.END else "given-up").inc()
            _log.warning("call ended for its gateway", extra={"call_id": ticket.call_id, "verdict": verdict.name})

    async def _record_end(self, call: Overdue) -> None:
        """As the gateway would have: the same id, so whoever comes second changes nothing."""
        ticket = call.ticket
        if not ticket.conversation_id or not call.epoch:  # it never began, or nobody knows in which conversation
            return
        ended = CallEnded(
            id=f"{ticket.call_id}.ended",
            time_ms=self._now_ms(),
            property_id=ticket.property_id,
            conversation_id=ticket.conversation_id,
            author=Author.SYSTEM,
            channel=Channel.VOICE,
            trace=ticket.trace,
            call_id=ticket.call_id,
            reason=GATEWAY_LOST,
            duration_ms=call.answered_ms,
        )
        try:
            now = await self._record.read(ticket.property_id, ticket.conversation_id, count=1)
            current = now.context.get("call") == ticket.call_id  # the guest may be in another call by now
            await self._record.append(ended, {"call": ""} if current else None)
        except UnknownConversation:
            _log.warning("no conversation of that call", extra={"call_id": ticket.call_id})


def _called(call: Overdue) -> dict[str, object]:
    return {"call_id": call.ticket.call_id, "property_id": call.ticket.property_id, "epoch": call.epoch}
