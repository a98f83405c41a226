"""Who answers which call. A job holds its call by a lease; watchdogs find the calls that nobody holds any more.

LiveKit does not send another agent into a room whose agent has died: this is how somebody notices.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from types import TracebackType

import msgspec
from redis.exceptions import ResponseError

from libs.bus.bus import Bus, new_id
from libs.bus.liveness import Sight
from libs.contracts.calls import CallTicket, check_call_id, decode_ticket, encode_ticket
from libs.contracts.errors import BotelError, BusUnavailable, InvalidRequest
from libs.contracts.ids import check_id
from libs.contracts.keys import Keys

_log = logging.getLogger(__name__)
_LONGEST_MS = 60_000
"""No lease and no reservation is longer: what lies further ahead was written before the clock stepped back."""
_EXPECTED_MS = 30_000
"""From a session to its guest and a gateway. Who does not come is forgotten before (the watchdog's `absent_s`)."""


class CallTaken(BotelError):
    """Somebody else answers the call: whoever came second leaves."""

    code = "call-taken"
    advice = "Another gateway answers this call: leave the room."


class CallOver(BotelError):
    """The call has ended, and does not begin again: whoever is in its room came with a token that is still good."""

    code = "call-over"
    advice = "This call has ended: close its room, and ask for a new session."


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """A call that nobody answers any more, reserved for whoever was given this."""

    ticket: CallTicket
    epoch: int
    """0: it was expected to be answered, and never was."""
    token: str
    alone_ms: int
    """Since the lease ran out."""
    answered_ms: int
    """From the first answer to the last sign of life."""
    dispatches: int = 0
    """Agents that were sent since, and did not come."""
    left: bool = False
    """Its holder went on purpose: no lease has run out."""


class CallCount(msgspec.Struct, frozen=True):
    answered: int
    overdue: int
    """Nobody holds them; a watchdog may be about it. A call that is expected, and not long, is none of them."""


class Calls:
    """All durations are milliseconds. Raises `BusUnavailable` when Redis does not answer in time."""

    def __init__(self, bus: Bus, *, lease_ms: int = 0) -> None:
        self._bus = bus
        self.lease_ms = lease_ms or bus.settings.call_lease_ms
        self.renew_ms = min(bus.settings.call_renew_ms, max(1, self.lease_ms // 4))
        self._sights = {keys.prefix: Sight(self.lease_ms / 1000) for keys in bus.shards}
        self._damaged: deque[str] = deque(maxlen=1_000)
        """Told once: they are met again and again."""

    def hold(self, ticket: CallTicket, holder: str) -> CallLease:
        """Answer a call: `async with calls.hold(ticket, holder) as lease`. Raises what `take` raises."""
        return CallLease(self, ticket, holder)

    async def expect(self, ticket: CallTicket, wait_ms: int = 10_000) -> bool:
        """Somebody is about to answer; whoever dies before `take` is missed after `wait_ms`, at most a minute.

        False: the call is known already, and nothing is changed.
        """
        keys = self._bus.keys(ticket.property_id)
        given: list[str | int] = [ticket.call_id, min(wait_ms, _LONGEST_MS), encode_ticket(ticket)]
        return bool(await self._bus.commands.call("call_expect", self._names(keys, ticket), given))

    async def take(self, ticket: CallTicket, holder: str) -> int:
        """Become the one who answers the call; returns the epoch, from 1, which fences every holder before.

        `holder` is new for every job. Raises `CallTaken` while somebody else's lease is alive, and `CallOver` when the
        call has ended; that is remembered for BOTEL_BUS_DEDUP_S.
        """
        keys = self._bus.keys(ticket.property_id)
        reply = await self._bus.commands.call(
            "call_take",
            self._names(keys, ticket),
            [ticket.call_id, check_id(holder, "holder"), self.lease_ms, encode_ticket(ticket), ticket.takeover],
        )
        if reply[0] == b"over":
            raise CallOver
        if reply[0] != b"taken":
            raise CallTaken
        return int(reply[1])

    async def renew(self, ticket: CallTicket, holder: str, epoch: int) -> bool:
        """Still here; the ticket may have learnt something. False: taken over or ended, the holder leaves silently."""
        return await self._renew(ticket, holder, epoch, self.lease_ms)

    async def leave(self, ticket: CallTicket, holder: str, epoch: int) -> bool:
        """The holder goes and the call stays: a watchdog need not wait for the end of the lease."""
        return await self._renew(ticket, holder, epoch, 0)

    async def _renew(self, ticket: CallTicket, holder: str, epoch: int, lease_ms: int) -> bool:
        keys = self._bus.keys(ticket.property_id)
        reply = await self._bus.commands.call(
            "call_renew",
            self._names(keys, ticket),
            [ticket.call_id, holder, epoch, lease_ms, encode_ticket(ticket)],
        )
        return bool(reply)

    async def end(self, ticket: CallTicket, holder: str, epoch: int) -> bool:
        """The call is over and forgotten; False when it is somebody else's."""
        return await self._end(ticket, holder, epoch)

    async def forget(self, ticket: CallTicket, *, epoch: int = 0) -> bool:
        """The guest is gone, and nobody is to look after the call; False while somebody holds it.

        `epoch` is the one that was looked at: False, too, when somebody has held the call since.
        """
        return await self._end(ticket, "", epoch)

    async def _end(self, ticket: CallTicket, holder: str, epoch: int) -> bool:
        keys = self._bus.keys(ticket.property_id)
        reply = await self._bus.commands.call(
            "call_end",
            self._names(keys, ticket),
            [ticket.call_id, holder, epoch, self._bus.settings.dedup_s],
        )
        return bool(reply)

    async def overdue(self, limit: int = 16) -> list[Overdue]:
        """Calls whose lease has run out, `limit` of a shard at most; each is reserved for the caller for a while.

        Ask at least four times in a lease: who asks more rarely, or was stalled, is told of none before one lease has
        passed, because the holders may have been stalled as well.
        """
        found = await asyncio.gather(
            *(self._overdue_in(keys, limit) for keys in self._bus.shards), return_exceptions=True
        )
        calls: list[Overdue] = []
        failed: BotelError | None = None
        for one in found:
            if isinstance(one, BusUnavailable):
                failed = one
            elif isinstance(one, BaseException):
                raise one
            else:
                calls.extend(one)
        if failed and not calls:  # what was reserved in other shards is looked after all the same
            raise failed
        return calls

    async def _overdue_in(self, keys: Keys, limit: int) -> list[Overdue]:
        send = self._bus.commands.send
        clock, first, last = await asyncio.gather(
            self._bus.at(keys).send("TIME"),
            send("ZRANGE", keys.calls, 0, limit - 1, "WITHSCORES"),
            send("ZREVRANGE", keys.calls, 0, limit - 1, "WITHSCORES"),
        )
        now = int(clock[0]) * 1000 + int(clock[1]) // 1000
        if not self._sights[keys.prefix].judges(time.monotonic(), now / 1000):
            return []
        pairs = [*zip(first[::2], first[1::2], strict=True), *zip(last[::2], last[1::2], strict=True)]
        due = {one.decode() for one, at in pairs if not now < float(at) <= now + _LONGEST_MS}
        chosen = random.sample(sorted(due), min(limit, len(due)))  # watchdogs share the work
        looked = await asyncio.gather(*(self._reserve(keys, one, new_id("look")) for one in chosen))
        return [one for one in looked if one]

    async def confirm(self, overdue: Overdue) -> bool:
        """An agent is about to be sent, once: False when the call is not reserved for this caller any more."""
        keys = self._bus.keys(overdue.ticket.property_id)
        return await self._reserve(keys, overdue.ticket.call_id, overdue.token, sending=True) is not None

    async def _reserve(self, keys: Keys, call_id: str, token: str, *, sending: bool = False) -> Overdue | None:
        given: list[str | int] = [call_id, token, self._bus.settings.call_reserve_ms, "1" if sending else ""]
        try:
            reply = await self._bus.commands.call("call_reserve", [keys.calls, keys.call(call_id)], given)
            if reply[0] != b"overdue":
                return None
            ticket = decode_ticket(reply[1].decode())
        except (ResponseError, UnicodeDecodeError, InvalidRequest):  # damaged by hand: the others are looked after
            if call_id not in self._damaged:
                _log.exception("call cannot be looked after", extra={"call_id": call_id})
                self._damaged.append(call_id)
            return None
        return Overdue(
            ticket=ticket,
            epoch=reply[2],
            token=token,
            alone_ms=reply[3],
            answered_ms=reply[4],
            dispatches=reply[5],
            left=bool(reply[6]) and reply[2] > 0,
        )

    async def count(self) -> CallCount:
        """Of all shards, for operators."""
        counts = await asyncio.gather(*(self.count_in(keys) for keys in self._bus.shards))
        return CallCount(sum(one.answered for one in counts), sum(one.overdue for one in counts))

    async def count_in(self, keys: Keys) -> CallCount:
        """Of one shard."""
        send = self._bus.commands.send
        clock, names = await asyncio.gather(self._bus.at(keys).send("TIME"), send("ZRANGE", keys.calls, 0, -1))
        now = int(clock[0]) * 1000 + int(clock[1]) // 1000
        records = [keys.call(name.decode()) for name in names]
        ends = await asyncio.gather(*(send("HGET", record, "u") for record in records))
        epochs = await asyncio.gather(*(send("HGET", record, "ep") for record in records))
        tills = [(float(end or 0), epoch != b"0") for end, epoch in zip(ends, epochs, strict=True)]
        answered = sum(begun and now < till <= now + _LONGEST_MS for till, begun in tills)
        expected = sum(not begun and abs(now - till) < _EXPECTED_MS for till, begun in tills)
        return CallCount(answered, len(tills) - answered - expected)

    @staticmethod
    def _names(keys: Keys, ticket: CallTicket) -> list[str]:
        return [keys.calls, keys.call(check_call_id(ticket.call_id))]


class CallLease:
    """One job's hold on its call, renewed from `__aenter__` until it is lost or closed. See `Calls.hold`.

    While Redis does not answer the job goes on talking: whether it was taken over is told when Redis answers again.
    """

    def __init__(self, calls: Calls, ticket: CallTicket, holder: str) -> None:
        self._calls, self._holder = calls, holder
        self.ticket = ticket
        """May be replaced by one that knows more of the same call: the next renewal writes it."""
        self.epoch = 0
        self.lost = asyncio.Event()
        """Somebody else answers the call by now, or it was ended: leave without a word."""
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> CallLease:
        self.epoch = await self._calls.take(self.ticket, self._holder)
        self._renewing = asyncio.create_task(self._renew(), name=f"lease {self.ticket.call_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Renew no more; the lease runs out by itself. Idempotent."""
        if self._renewing:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None

    async def end(self) -> bool:
        """The call is over. False: it was somebody else's. `BusUnavailable`: a watchdog will find it."""
        await self.close()
        return await self._calls.end(self.ticket, self._holder, self.epoch)

    async def leave(self) -> bool:
        """Go, and have somebody else answer at once. `BusUnavailable`: when the lease has run out."""
        await self.close()
        return await self._calls.leave(self.ticket, self._holder, self.epoch)

    async def _renew(self) -> None:
        every_s, reached = self._calls.renew_ms / 1000, True
        while True:
            sent = time.monotonic()
            try:
                if not await self._calls.renew(self.ticket, self._holder, self.epoch):
                    _log.warning("call lost to another gateway", extra={"call_id": self.ticket.call_id})
                    self.lost.set()
                    return
                reached = True
            except BusUnavailable as error:
                if reached:
                    _log.warning("lease not renewed", extra={"call_id": self.ticket.call_id, "reason": error.detail})
                reached = False
            except ResponseError:
                _log.exception("lease damaged", extra={"call_id": self.ticket.call_id})
            await asyncio.sleep(max(0.0, sent + every_s - time.monotonic()))
