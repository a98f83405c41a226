"""What every operation of a trial works with: the scripts, the model, and one source of chance."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from tests.bus.property.calls import CLOCK, Calls
from tests.bus.property.model import (
    LONG_MS,
    NEVER,
    PROPERTY,
    ConversationModel,
    Model,
    WorkerModel,
    need,
)

T = TypeVar("T")
STORE_GROUPS = ("context-store", "analytics")


class World:
    """One trial's Redis, model and generator. The same seed gives the same steps."""

    def __init__(self, calls: Calls, seed: int, conversations: int, seen: Counter[str]) -> None:
        self.calls, self.rng, self._seen = calls, random.Random(seed), seen
        names = [f"c{index}" for index in range(conversations)]
        self.model = Model([ConversationModel(name) for name in names], attempts_limit=self.pick((1, 2, 4)))
        self._turns = Counter[str]()
        self._tokens = 0
        self.forged: set[str] = set()
        """Entries on the turns stream that no script made."""

    def begin(self) -> None:
        """An empty Redis with the group, the conversations and two workers."""
        keys, redis = self.calls.keys, self.calls.redis
        redis.flushdb()
        redis.xgroup_create(keys.turns, "brain", "0", mkstream=True)
        for group in STORE_GROUPS:
            redis.xgroup_create(keys.events, group, "0", mkstream=True)
        for conversation in self.model.conversations:
            body = f"opened {conversation.id}"
            reply = self.calls.open(conversation.id, PROPERTY, body, f"identity/{conversation.id}")
            need("log", reply == ["opened", conversation.id], "open", reply)
            conversation.record(body)
        for _ in range(2):
            self.new_worker()

    def new_worker(self) -> WorkerModel:
        worker = WorkerModel(f"w{len(self.model.workers) + 1}")
        self.model.workers[worker.id] = worker
        worker.until = self.model.now + LONG_MS
        need("owner", self.calls.beat(worker.id) == 0, "a new worker owns something")
        return worker

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def any_conversation(self) -> ConversationModel:
        return self.pick(self.model.conversations)

    def any_worker(self) -> WorkerModel:
        """Alive or a zombie."""
        return self.pick(list(self.model.workers.values()))

    def alive_workers(self) -> list[WorkerModel]:
        return [worker for worker in self.model.workers.values() if self.model.alive(worker.id)]

    def new_turn_id(self, conversation: ConversationModel) -> str:
        self._turns[conversation.id] += 1
        return f"{conversation.id}.{self._turns[conversation.id]}"

    def new_token(self) -> str:
        self._tokens += 1
        return f"token-{self._tokens}"

    def last_chunk(self, gateway: str) -> str:
        """The newest entry of a gateway's chunk stream."""
        newest = self.calls.redis.xrevrange(self.calls.keys.chunks(gateway), count=1)
        return str(newest[0][0]) if newest else "0-0"

    def lapse(self, worker: WorkerModel) -> None:
        """The lease runs out; the worker may go on, not knowing."""
        worker.until = NEVER
        if self.calls.redis.zscore(self.calls.keys.leases, worker.id) is not None:
            self.calls.redis.zadd(self.calls.keys.leases, {worker.id: 1})

    def revive(self, worker: WorkerModel) -> None:
        """It beats (again)."""
        worker.until = self.model.now + LONG_MS
        owned = self.calls.beat(worker.id)
        need("owner", owned == len(self.model.owned(worker.id)), "beat's count", worker.id, owned)

    def jump(self, ms: int) -> None:
        """The server's clock steps."""
        self.model.now += ms
        self.calls.redis.set(CLOCK, int(self.model.now))

    def count(self, what: str) -> None:
        """Remember that this happened, so that a test can see what the trials covered."""
        self._seen[what] += 1
