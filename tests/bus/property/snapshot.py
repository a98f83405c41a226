"""The protocol's state in Redis after a step, read in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.bus.property.model import ConversationModel
from tests.bus.property.world import World


@dataclass(frozen=True)
class ConversationState:
    model: ConversationModel
    fields: dict[str, str]
    mail: list[str]
    log_length: int
    log_end: list[tuple[str, dict[str, str]]]
    """Newest first, up to the number of events that a step can write."""
    draft: str
    head: str | None
    """What retirement left."""
    context: dict[str, str]

    @property
    def state(self) -> str:
        return self.fields.get("st", "idle")


@dataclass(frozen=True)
class Snapshot:
    conversations: list[ConversationState]
    turns: list[str]
    """Entry ids on the turns stream."""
    pending: dict[str, str]
    """Entry -> consumer."""
    delivered: str
    lag: int | None
    leases: set[str]
    owned: dict[str, set[str]]
    dead: list[tuple[str, dict[str, str]]]
    """Letters, oldest first."""
    call: dict[str, str]
    call_listed: bool
    call_expires: bool
    accepted: list[tuple[str, str, int]]
    """Conversation, worker and epoch of the runs that would be let speak now, of all that anybody believes in."""

    @property
    def unread(self) -> set[str]:
        return {entry for entry in self.turns if entry_key(entry) > entry_key(self.delivered)}


STEP_EVENTS = 6


def entry_key(entry: str) -> tuple[int, int]:
    """A stream id in its order."""
    left, _, right = entry.partition("-")
    return int(left), int(right)


def read_snapshot(world: World) -> Snapshot:
    keys, pipe = world.calls.keys, world.calls.redis.pipeline(transaction=False)
    models = world.model.conversations
    for model in models:
        pipe.hgetall(keys.conv(model.id)).lrange(keys.mail(model.id), 0, -1).xlen(keys.log(model.id))
        pipe.xrevrange(keys.log(model.id), count=STEP_EVENTS).get(keys.draft(model.id)).hget(keys.heads, model.id)
        pipe.hgetall(keys.context(model.id))
    pipe.xrange(keys.turns).xpending_range(keys.turns, "brain", "-", "+", 1_000).xinfo_groups(keys.turns)
    pipe.zrange(keys.leases, 0, -1).xrange(keys.dead)
    for worker in world.model.workers:
        pipe.smembers(keys.owned(worker))
    runs = list(world.model.all_runs())
    for run in runs:
        world.calls.ask(pipe, run.worker, run.conversation.id, run.epoch, run.turn.id)
    call = world.model.call.id
    pipe.hgetall(keys.call(call)).zscore(keys.calls, call).ttl(keys.call(call))
    *replies, call_fields, call_score, call_ttl = list[Any](pipe.execute())
    states = []
    for index, model in enumerate(models):
        fields, mail, length, end, draft, head, context = replies[7 * index : 7 * index + 7]
        states.append(ConversationState(model, fields, mail, length, end, draft or "", head, context))
    turns, pending, (group,), leases, dead, *rest = replies[7 * len(models) :]
    owned, answers = rest[: len(world.model.workers)], rest[len(world.model.workers) :]
    return Snapshot(
        conversations=states,
        turns=[entry for entry, _ in turns],
        pending={one["message_id"]: one["consumer"] for one in pending},
        delivered=group["last-delivered-id"],
        lag=group["lag"],
        leases=set(leases),
        owned=dict(zip(world.model.workers, owned, strict=True)),
        dead=dead,
        call=call_fields,
        call_listed=call_score is not None,
        call_expires=call_ttl > 0,
        accepted=[
            (run.conversation.id, run.worker, run.epoch)
            for run, answer in zip(runs, answers, strict=True)
            if answer != ["fenced"]
        ],
    )
