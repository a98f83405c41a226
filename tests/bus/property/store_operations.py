"""What the groups on the events stream do: read, ack out of order, trim. Nothing unread or unacked may go."""

from __future__ import annotations

from typing import Any

from tests.bus.property.model import need
from tests.bus.property.snapshot import entry_key
from tests.bus.property.world import STORE_GROUPS, World


def read(world: World) -> None:
    """One group reads on."""
    events = world.calls.keys.events
    world.calls.redis.xreadgroup(world.pick(STORE_GROUPS), "s1", {events: ">"}, count=world.pick((3, 30)))


def ack(world: World) -> None:
    """One group acks most of what it has read, not always the oldest first."""
    redis, events, group = world.calls.redis, world.calls.keys.events, world.pick(STORE_GROUPS)
    for pending in redis.xpending_range(events, group, "-", "+", 50):
        if world.chance(0.9):
            redis.xack(events, group, pending["message_id"])


def trim(world: World) -> None:
    """What any group still needs stays; a declared group that is absent stops all trimming."""
    redis, events = world.calls.redis, world.calls.keys.events
    groups: Any = {one["name"]: one["last-delivered-id"] for one in redis.xinfo_groups(events)}
    needed = []
    for group in STORE_GROUPS:
        pending = redis.xpending_range(events, group, "-", "+", 1)
        needed.append(pending[0]["message_id"] if pending else groups[group])
    before, floor = redis.xlen(events), min(needed, key=entry_key)
    kept = redis.xrange(events, floor)
    absent, dropped = world.chance(0.3), world.chance(0.5)
    if dropped:
        redis.sadd(world.calls.keys.dropped, "gone", *STORE_GROUPS)
    else:
        redis.delete(world.calls.keys.dropped)
    asked, absent = absent, absent and not dropped
    reply = world.calls.trim(*STORE_GROUPS, *(["gone"] if asked else []))
    need("trim", redis.smembers(world.calls.keys.dropped) <= {"gone"}, "a group that is there still counts as dropped")
    removed = before - redis.xlen(events)
    need("trim", redis.xrange(events, floor) == kept, "trimmed into what a group needs", floor)
    need("trim", reply == (["absent", "gone"] if absent else ["trimmed", removed]), "trim", reply, removed)
    need("trim", not absent or removed == 0, "trimmed although a group is absent", removed)
    need("trim", absent or before - removed - len(kept) < 8, "nothing was trimmed", before, removed, len(kept))
    lags = [one["lag"] for one in redis.xinfo_groups(events)]
    need("lag", None not in lags, "lag is nil after a trim", lags)


def recount(world: World) -> None:
    """Redis was restarted and is wrong about how much was read; whoever connects anew sets it right."""
    calls, turns = world.calls, world.calls.keys.turns
    (group,) = calls.redis.xinfo_groups(turns)
    last, lag = group["last-delivered-id"], group["lag"]
    wrong = world.rng.randint(0, 2 * lag + 50)
    calls.redis.xgroup_setid(turns, "brain", last, entries_read=wrong)
    need("lag", calls.recount(turns, "brain") == lag, "recount", lag)
    (group,) = calls.redis.xinfo_groups(turns)
    need("lag", (group["lag"], group["last-delivered-id"]) == (lag, last), "lag after a recount", group, lag)
