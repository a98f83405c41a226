"""What nobody should do: forged entries, acks by hand, and writes in somebody else's name. All of it is survived."""

from __future__ import annotations

from dataclasses import replace

from tests.bus.property import brain_operations as brain
from tests.bus.property import lease_operations as lease
from tests.bus.property.model import Delivery, need
from tests.bus.property.world import World


def garbage(world: World) -> None:
    """An entry that names no conversation: one dead letter, whoever rejects it and however often."""
    entry, worker = _forge(world, {"x": "y"})
    need("letters", world.calls.reject(entry, worker) == 1, "reject")
    need("letters", world.calls.reject(entry, world.any_worker().id) == 0, "rejected twice")
    world.model.unread_letters.append({"k": "entry", "b": "garbage", "why": "why", "w": worker, "of": entry})


def forged_activation(world: World) -> None:
    """An entry that names a conversation and is not its activation: whoever claims it acks it."""
    conversation = world.any_conversation()
    entry, worker = _forge(world, {"c": conversation.id, "t": "forged", "b": ""})
    for _ in range(2):
        delivery = Delivery(entry, conversation, world.new_token())
        need("claim", brain.take(world, world.model.workers[worker], delivery, 1) is None, "claim of a forged entry")


def _forge(world: World, fields: dict[str, str]) -> tuple[str, str]:
    """Put the entry on the turns stream and have it read; the entry and its reader."""
    worker = world.any_worker()
    entry = str(world.calls.redis.xadd(world.calls.keys.turns, fields))
    world.forged.add(entry)
    worker.deliveries += brain.read_new(world, worker, 1_000, forged=entry)
    return entry, worker.id


def acked_by_hand(world: World) -> None:
    """The activation of a run whose worker is dead is acked: it must be found by what the worker owns."""
    lost = [one for one in world.model.conversations if one.state == "running" and not world.model.alive(one.owner)]
    if lost:
        conversation = world.pick(lost)
        world.calls.redis.xack(world.calls.keys.turns, "brain", conversation.entry)
        need("owner", world.calls.bury(conversation.owner) == 0, "buried with what it owns", conversation.owner)
        need("owner", lease.reap(world, conversation, conversation.owner) == "revived", "reap after an ack by hand")
        world.count("acked by hand")


def impostor(world: World) -> None:
    """The right epoch in the name of another worker."""
    run = brain.any_run(world)
    others = [one for one in world.model.workers if run and one != run.worker]
    if run and others:
        other = replace(run, worker=world.pick(others))
        match world.rng.randrange(3):
            case 0:
                brain.say(world, other, run.offset, "stolen", ("g1",))
            case 1:
                brain.record_call(world, other)
            case _:
                brain.finish(world, other, "finished")
