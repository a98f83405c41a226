"""Staying alive, and mending what the dead left: the heartbeat and the reaper of one worker in one shard."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from redis.exceptions import ResponseError

from libs.bus.bus import Bus
from libs.bus.liveness import Lease, expired, next_look_ms
from libs.bus.queue import TurnQueue, parse_activation
from libs.contracts.errors import BusUnavailable, MalformedMessage
from libs.contracts.keys import TURN_GROUP, Keys

_log = logging.getLogger(__name__)
_SCAN = 32
"""Candidates that are looked at together."""


class Heartbeat:
    """Renews the worker's lease. `healthy` turns False by itself when it could not be renewed in time."""

    def __init__(
        self,
        bus: Bus,
        keys: Keys,
        worker_id: str,
        running: Callable[[], Collection[str]],
        on_lapse: Callable[[], None],
    ) -> None:
        self._bus, self._keys, self._worker = bus, keys, worker_id
        self._running, self._on_lapse = running, on_lapse
        self._lease_s = bus.settings.lease_ms / 1000
        self._lease = Lease(self._lease_s, bus.settings.beat_ms / 1000)
        self._reaper = Reaper(bus, keys, worker_id)
        self._surplus = 0

    @property
    def healthy(self) -> bool:
        return self._lease.alive(time.monotonic())

    @property
    def punctual(self) -> bool:
        """Whether this worker may take others for dead: see `Lease.punctual`."""
        return self._lease.punctual(time.monotonic())

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            sent = time.monotonic()
            if self._lease.taken and not self._lease.alive(sent):
                self._on_lapse()
            try:
                async with asyncio.timeout(self._lease_s):
                    owned = await self.beat()
                self._lease.renewed(sent)
                await self._give_back(owned)
            except (BusUnavailable, TimeoutError):
                if not self.healthy:
                    self._on_lapse()
            await asyncio.sleep(max(0.0, sent + self._bus.settings.beat_ms / 1000 - time.monotonic()))

    async def beat(self, lease_ms: int | None = None) -> int:
        """Renew once; returns how many conversations Redis says this worker runs. 0 ms: leave."""
        lease = self._bus.settings.lease_ms if lease_ms is None else lease_ms
        owned = await self._bus.commands.call(
            "beat", [self._keys.leases, self._keys.owned(self._worker)], [self._worker, lease]
        )
        return int(owned)

    async def _give_back(self, owned: int) -> None:
        """A conversation that Redis says we run and that we do not know of: the reply of its grant was lost."""
        if owned <= len(self._running()):
            self._surplus = 0
            return
        self._surplus += 1
        if self._surplus < 2:  # a claim may be on its way
            return
        self._surplus = 0
        for member in await self._bus.commands.send("SMEMBERS", self._keys.owned(self._worker)):
            conversation = member.decode()
            if conversation not in self._running():
                epoch = await self._bus.commands.send("HGET", self._keys.conv(conversation), "ep")
                await self._reaper.give_back(conversation, int(epoch or 0))


class Reaper:
    """Looks for workers that are gone and hands over what they ran. Every worker is one; all of it is repeatable."""

    def __init__(self, bus: Bus, keys: Keys, worker_id: str) -> None:
        self._bus, self._keys, self._worker = bus, keys, worker_id
        self._queue = TurnQueue(bus, keys, worker_id)
        self._scan_from = "-"
        self._damaged: deque[str] = deque(maxlen=1_000)
        """Told once: they are met again and again."""

    async def run(self, heartbeat: Heartbeat) -> None:
        """Look when the next lease would run out, until cancelled; never when this worker's own beats were late."""
        settings = self._bus.settings
        pause_ms: float = 0.0
        while True:
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(settings.beat_ms, settings.reap_ms)
            if not heartbeat.punctual:
                continue
            try:
                leases, now = await self._leases()
                if heartbeat.punctual:  # else Redis stalled while it was asked
                    await self._mend(expired(leases, now))
                    pause_ms = next_look_ms(leases, now, settings.reap_ms)
            except BusUnavailable as error:
                _log.warning("sweep left out", extra={"reason": error.detail})

    async def sweep(self) -> int:
        """One look at everything; returns how many conversations were handed over."""
        leases, now = await self._leases()
        return await self._mend(expired(leases, now))

    async def _leases(self) -> tuple[dict[str, float], int]:
        """When the lease of every other worker runs out, and what time it is: both by Redis's clock."""
        commands, keys = self._bus.commands, self._keys
        clock, scores = await asyncio.gather(
            self._bus.at(keys).send("TIME"), commands.send("ZRANGE", keys.leases, 0, -1, "WITHSCORES")
        )
        leases = {worker.decode(): float(until) for worker, until in zip(scores[::2], scores[1::2], strict=True)}
        leases.pop(self._worker, None)
        return leases, int(clock[0]) * 1000 + int(clock[1]) // 1000

    async def _mend(self, dead: Sequence[str]) -> int:
        """Every reaper begins elsewhere: they share the work instead of doing it all at the same time."""
        mended = 0
        for worker in random.sample(dead, len(dead)):
            mended += await self._reap_worker(worker)
        return mended + await self._reap_unclaimed()

    async def give_back(self, conversation: str, epoch: int, *, refund: bool = True, why: str = "") -> str:
        """Hand over a conversation that this worker owns and does not run any more.

        `refund`: the run costs no attempt, because the turn is not to blame for its end; else `why` is told if the turn
        becomes a dead letter.
        """
        return await self._reap(conversation, self._worker, "", epoch=epoch, refund=refund, why=why)

    async def put_back(self, entry_id: str) -> None:
        """An activation that this worker has read and will not claim: others need not wait until that is noticed."""
        await self._reap_entry(entry_id, self._worker, unclaimed_ms=0)

    async def put_back_all(self, answers: Callable[[str], bool]) -> None:
        """All of them, those included that were read over a connection which broke; not what it `answers`."""
        for entry_id, *_ in await self._pending("-", "+", 1_000, self._worker):
            if not answers(entry_id.decode()):
                await self.put_back(entry_id.decode())

    async def hand_over_all(self) -> None:
        """Hand over everything that this worker still owns, and forget it."""
        send, keys = self._bus.commands.send, self._keys
        owned = [one.decode() for one in await send("SMEMBERS", keys.owned(self._worker))]
        epochs = await asyncio.gather(*(send("HGET", keys.conv(one), "ep") for one in owned))
        await asyncio.gather(*(self.give_back(one, int(epoch or 0)) for one, epoch in zip(owned, epochs, strict=True)))
        await self._reap_worker(self._worker)

    async def _reap_worker(self, worker: str) -> int:
        """Everything of one dead worker, in batches: others get their turn between them."""
        commands, keys, mended = self._bus.commands, self._keys, 0
        owned = [one.decode() for one in await commands.send("SMEMBERS", keys.owned(worker))]
        random.shuffle(owned)
        for begin in range(0, len(owned), _SCAN):
            batch = owned[begin : begin + _SCAN]
            outcomes = await asyncio.gather(*(self._reap(conversation, worker, "") for conversation in batch))
            mended += outcomes.count("revived")
        after = "-"
        while pending := await self._pending(after, "+", _SCAN, worker):
            after = f"({pending[-1][0].decode()}"
            mended += sum(await asyncio.gather(*(self._reap_entry(one[0].decode(), worker) for one in pending)))
        await commands.call("bury", [keys.turns, keys.leases, keys.owned(worker)], [worker])
        return mended

    async def _reap_unclaimed(self) -> int:
        """Entries that somebody read and never claimed, or runs past every cap; a part of them in every sweep.

        Long turns stay pending too: without going on where the last sweep ended, they would hide what is behind them.
        """
        pending = await self._pending("IDLE", self._bus.settings.unclaimed_ms, self._scan_from, "+", _SCAN)
        self._scan_from = f"({pending[-1][0].decode()}" if len(pending) == _SCAN else "-"
        mended = 0
        for entry_id, consumer, *_ in pending:
            mended += await self._reap_entry(entry_id.decode(), consumer.decode())
        return mended

    async def _pending(self, *query: str | int) -> list[Any]:
        """XPENDING of the turns; nothing while the group is being made again."""
        try:
            pending: list[Any] = await self._bus.commands.send("XPENDING", self._keys.turns, TURN_GROUP, *query)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            return []
        return pending

    async def _reap_entry(self, entry_id: str, consumer: str, unclaimed_ms: int | None = None) -> bool:
        entries = await self._bus.commands.send("XRANGE", self._keys.turns, entry_id, entry_id)
        fields = dict(zip(entries[0][1][::2], entries[0][1][1::2], strict=True)) if entries else {}
        try:
            conversation = parse_activation(entry_id, fields).conversation_id
        except MalformedMessage as error:  # its reader died over it, or it was deleted by hand
            await self._queue.reject(entry_id, fields, error.detail)
            return False
        reaped = await self._reap(conversation, consumer, entry_id, unclaimed_ms=unclaimed_ms)
        return reaped in ("revived", "unclaimed")

    async def _reap(
        self,
        conversation: str,
        worker: str,
        entry_id: str,
        *,
        epoch: int = 0,
        refund: bool = False,
        why: str = "",
        unclaimed_ms: int | None = None,
    ) -> str:
        keys, settings = self._keys, self._bus.settings
        idle = settings.unclaimed_ms if unclaimed_ms is None else unclaimed_ms
        given = [epoch or "", "1" if refund else "", why]
        reaped = self._bus.commands.call(
            "reap",
            [
                keys.turns,
                keys.leases,
                keys.conv(conversation),
                keys.owned(worker),
                keys.mail(conversation),
                keys.log(conversation),
            ],
            [conversation, worker, entry_id, idle, settings.run_cap_ms, *given],
        )
        try:
            reply = await reaped
        except ResponseError:  # its keys were damaged by hand: the others are still looked after
            if conversation not in self._damaged:
                _log.exception("conversation cannot be mended", extra={"conversation_id": conversation})
                self._damaged.append(conversation)
            return "damaged"
        outcome: str = reply.decode()
        self._bus.observer.reaped(outcome)
        if outcome in ("revived", "unclaimed"):
            _log.warning("turn handed over", extra={"conversation_id": conversation, "worker_id": worker})
        return outcome
