"""One trial: random steps with every check after each, then everything that is left is worked off."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from tests.bus.property import brain_operations as brain
from tests.bus.property import call_operations as phones
from tests.bus.property import damage_operations as damage
from tests.bus.property import gateway_operations as gateway
from tests.bus.property import lease_operations as lease
from tests.bus.property import letter_operations as letters
from tests.bus.property import rate_operations as rates
from tests.bus.property import store_operations as store
from tests.bus.property.calls import Calls
from tests.bus.property.invariants import CHECKS
from tests.bus.property.model import LONG_MS, Delivery, Violation, need
from tests.bus.property.replay import Replay
from tests.bus.property.snapshot import read_snapshot
from tests.bus.property.world import World

WEIGHTS: dict[Callable[[World], None], int] = {
    gateway.accept: 70,
    gateway.accept_again: 20,
    gateway.accept_refused: 3,
    gateway.cancel: 28,
    gateway.append: 20,
    gateway.follow: 15,
    gateway.subscription_runs_out: 8,
    gateway.open_again: 12,
    gateway.retire: 20,
    brain.read: 140,
    brain.reread: 35,
    brain.claim: 150,
    brain.emit: 170,
    brain.journal: 60,
    brain.commit: 140,
    store.read: 12,
    store.ack: 12,
    store.trim: 12,
    store.recount: 8,
    lease.lapse: 35,
    lease.come_back: 40,
    lease.sweep: 35,
    lease.reap_anything: 25,
    lease.give_back: 15,
    lease.bury: 12,
    lease.reaped_and_claims_again: 30,
    lease.clock: 14,
    lease.commit_comes_again_late: 12,
    letters.replay: 30,
    letters.discard: 6,
    damage.garbage: 6,
    damage.forged_activation: 6,
    damage.acked_by_hand: 8,
    damage.impostor: 12,
}

CALL_WEIGHTS: dict[Callable[[World], None], int] = {
    phones.expect: 12,
    phones.take: 40,
    phones.renew: 45,
    phones.end: 12,
    phones.forget: 12,
    phones.look: 40,
    phones.send: 30,
    phones.lapse: 45,
    phones.reservation_runs_out: 15,
    phones.redis_loses_the_call: 6,
    phones.an_end_expires: 40,
    rates.spend: 60,
}
"""Calls, callers and conversations share nothing but the clock: these come on top, and do not change the others."""
CALL_CHANCE = 0.3


class Trial:
    """`run` raises `Violation` with the seed, the step and the last operations."""

    def __init__(self, calls: Calls, seed: int, *, steps: int, seen: Counter[str]) -> None:
        self._seed, self._steps, self._seen = seed, steps, seen
        self._world = World(calls, seed, conversations=3 if seed % 2 else 1, seen=seen)
        self._phones = copy.copy(self._world)
        self._phones.rng = random.Random(f"calls {seed}")
        self._done: list[str] = []

    def run(self) -> None:
        try:
            self._world.begin()
            self._replay = Replay(self._world)
            self._check()
            for _ in range(self._steps):
                self._step(self._world, WEIGHTS)
                if self._phones.chance(CALL_CHANCE):
                    self._step(self._phones, CALL_WEIGHTS)
                self._check()
            self._done.append("work off")
            self._work_off()
        except Violation as error:
            last = " > ".join(self._done[-8:])
            raise Violation(error.invariant, f"seed {self._seed}, step {len(self._done)}, {last}: {error}") from error
        for conversation in self._world.model.conversations:
            self._seen["turns"] += len(conversation.turns)

    def _step(self, world: World, weights: dict[Callable[[World], None], int]) -> None:
        (operation,) = world.rng.choices(tuple(weights), tuple(weights.values()))
        self._done.append(operation.__name__)
        operation(world)

    def _check(self) -> None:
        now = read_snapshot(self._world)
        for check in CHECKS:
            check(now, self._world.model)
        self._replay.check()

    def _work_off(self) -> None:
        """Every worker is gone but a new one: it must be able to end every turn, in order, and bury the others."""
        world = self._world
        for worker in world.model.workers.values():
            world.lapse(worker)
            worker.deliveries.clear()
            worker.runs.clear()
        last = world.new_worker()
        for _ in range(100):
            lease.sweep_all(world, unclaimed_ms=LONG_MS)
            self._check()
            deliveries = brain.read_new(world, last, 10)
            for delivery in deliveries:
                self._answer(delivery)
            if not deliveries:
                break
        need("end", not any(one.open_turns for one in world.model.conversations), "turns are left over")
        self._nothing_is_left(last.id)

    def _answer(self, delivery: Delivery) -> None:
        world = self._world
        last = list(world.model.workers.values())[-1]
        run = brain.take(world, last, delivery, limit=1_000)
        need("end", run is not None, "the last worker was refused", delivery)
        while run:
            _, run = brain.finish(world, run, brain.STATUS[run.verdict])
            self._check()

    def _nothing_is_left(self, last: str) -> None:
        calls = self._world.calls
        lease.bury(self._world)
        (group,) = calls.redis.xinfo_groups(calls.keys.turns)
        need("end", (group["lag"], group["pending"]) == (0, 0), "lag and pending at the end", group)
        left = {entry for entry, _ in calls.redis.xrange(calls.keys.turns)} - self._world.forged
        # Of those worked off together the one that was read first may be committed last: the next commit trims them.
        need("end", len(left) <= len(self._world.model.conversations), "the turns stream was not trimmed", left)
        consumers = {one["name"] for one in calls.redis.xinfo_consumers(calls.keys.turns, "brain")}
        need("end", consumers <= {last}, "consumers were left", consumers)


@contextmanager
def connect(url: str) -> Iterator[Any]:
    """A client as the trials need it; streams have small nodes meanwhile, so that an approximate trim trims."""
    redis = Redis.from_url(url, decode_responses=True, protocol=2)
    redis.config_set("stream-node-max-entries", 4)
    try:
        yield redis
    finally:
        redis.config_set("stream-node-max-entries", 100)
        redis.close()


def run_trials(calls: Calls, seeds: range, steps: int) -> Counter[str]:
    """So many trials; answers what they covered."""
    seen = Counter[str]()
    for seed in seeds:
        Trial(calls, seed, steps=steps, seen=seen).run()
    return seen
