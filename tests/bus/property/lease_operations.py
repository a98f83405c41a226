"""Life and death of workers: leases lapse, zombies come back, sweeps, reaps with any arguments, giving back."""

from __future__ import annotations

from tests.bus.property import brain_operations as brain
from tests.bus.property.model import HOUR_MS, LONG_MS, NEVER, ConversationModel, Run, need
from tests.bus.property.world import World

MAX_WORKERS = 4


def lapse(world: World) -> None:
    """A worker's lease runs out; there is always another one to go on."""
    alive = world.alive_workers()
    if alive:
        world.lapse(world.pick(alive))
    if len(world.alive_workers()) < 2 and len(world.model.workers) < MAX_WORKERS:
        world.new_worker()


def come_back(world: World) -> None:
    """A zombie beats again: it never knew."""
    zombies = [worker for worker in world.model.workers.values() if not world.model.alive(worker.id)]
    if zombies:
        world.revive(world.pick(zombies))


def sweep(world: World) -> None:
    """What every worker's reaper does: dead workers' conversations, then pending entries."""
    sweep_all(world, unclaimed_ms=0 if world.chance(0.4) else LONG_MS)


def sweep_all(world: World, *, unclaimed_ms: int) -> None:
    """One whole sweep, checked call by call."""
    redis, keys = world.calls.redis, world.calls.keys
    for worker in list(world.model.workers.values()):
        if not world.model.alive(worker.id):
            for conversation in sorted(redis.smembers(keys.owned(worker.id))):
                reap(world, world.model.by_id(conversation), worker.id)
    for pending in redis.xpending_range(keys.turns, "brain", "-", "+", 100):
        entry = pending["message_id"]
        ((_, fields),) = redis.xrange(keys.turns, entry, entry)
        conversation = world.model.by_id(fields["c"])
        reap(world, conversation, pending["consumer"], entry, unclaimed_ms=unclaimed_ms)


def reap_anything(world: World) -> None:
    """Reap is safe with whatever it is given."""
    conversation, worker = world.any_conversation(), world.any_worker().id
    other = world.any_conversation()
    entry = world.pick(("", conversation.entry or "1-1", other.entry or "1-1", "1-1"))
    epoch = "" if world.chance(0.6) else world.pick((1, conversation.epoch))
    reap(world, conversation, worker, entry, epoch=epoch, refund=world.chance(0.5))


def reap(
    world: World,
    conversation: ConversationModel,
    worker: str,
    entry: str = "",
    *,
    unclaimed_ms: int = LONG_MS,
    epoch: int | str = "",
    refund: bool = True,
) -> str:
    """One reap, checked."""
    expected = _expected(world, conversation, worker, entry, unclaimed_ms, epoch)
    reply = world.calls.reap(conversation.id, worker, entry, unclaimed_ms=unclaimed_ms, epoch=epoch, refund=refund)
    need("owner", reply == expected, "reap", reply, expected, conversation.id, worker, entry, epoch)
    world.count(f"reap {reply}")
    if reply == "revived" and epoch != "" and refund:
        conversation.head.attempts -= 1
    elif reply == "revived":
        conversation.head.tried.append(f"{worker} {'lost its lease' if epoch == '' else 'gave it back'}")
    if reply in ("revived", "unclaimed"):
        conversation.activate()
    return reply


def _expected(
    world: World, conversation: ConversationModel, worker: str, entry: str, unclaimed_ms: int, epoch: int | str
) -> str:
    model = world.model
    if entry and entry != conversation.entry:
        return "other"
    if conversation.state == "running":
        if conversation.owner != worker:
            return "other"
        if epoch != "":
            return "revived" if epoch == conversation.epoch else "other"
        return "live" if model.alive(worker) else "revived"
    if conversation.state == "idle" or epoch != "":
        return "other"
    if not conversation.reader:
        return "waiting"
    return "unclaimed" if unclaimed_ms == 0 or not model.alive(conversation.reader) else "waiting"


def give_back(world: World) -> None:
    """A worker returns what it owns and does not run (its grant was lost), or a run that it stopped."""
    worker = world.any_worker()
    for name in sorted(world.model.owned(worker.id)):
        conversation = world.model.by_id(name)
        if not any(conversation.runs(run) for run in worker.runs):
            need(
                "owner",
                reap(world, conversation, worker.id, epoch=conversation.epoch) == "revived",
                "give back of a lost run",
            )
    if worker.runs:
        run = world.pick(worker.runs)
        rightful = run.conversation.runs(run)
        outcome = reap(world, run.conversation, worker.id, epoch=run.epoch, refund=world.chance(0.7))
        need("owner", (outcome == "revived") == rightful, "give back of a run", outcome)


def bury(world: World) -> None:
    """Every worker is looked at; only a dead one with nothing left may go."""
    for worker in world.model.workers.values():
        holds = world.model.owned(worker.id) or world.model.pending(worker.id)
        expected = 0 if world.model.alive(worker.id) or holds else 1
        need("end", world.calls.bury(worker.id) == expected, "bury", worker.id, expected)
        if expected:
            worker.until = NEVER


def reaped_and_claims_again(world: World) -> None:
    """One worker loses a run, is granted the same conversation again, and its old run goes on."""
    rightful = [run for run in world.model.all_runs() if run.conversation.runs(run)]
    if not rightful:
        return
    old = world.pick(rightful)
    worker, conversation = world.model.workers[old.worker], old.conversation
    world.lapse(worker)
    need("owner", reap(world, conversation, worker.id) == "revived", "reap of a lapsed worker")
    world.revive(worker)
    while not conversation.reader:
        for delivery in brain.read_new(world, worker, 5):
            if delivery.conversation is not conversation:
                worker.deliveries.append(delivery)
            elif run := brain.take(world, worker, delivery, world.model.attempts_limit):
                brain.hold(worker, run)
    world.count("claimed again")
    _goes_on(world, old)


def _goes_on(world: World, old: Run) -> None:
    """Whatever the old run tries is refused; `say` and `finish` see to that."""
    step = world.rng.randrange(3)
    if step == 0:
        brain.say(world, old, old.offset, "old", ("g1",))
    elif step == 1:
        brain.finish(world, old, "finished")
        world.model.workers[old.worker].runs.remove(old)


def commit_comes_again_late(world: World) -> None:
    """Its reply was lost, and the next turn has begun; perhaps its deadline has passed meanwhile."""
    runs = [run for run in world.model.all_runs() if run.conversation.runs(run) and run.conversation.open_turns[1:]]
    if runs:
        run = world.pick(runs)
        status = "cancelled" if run.turn.cancelled else brain.STATUS[run.verdict]
        _, following = brain.finish(world, run, status, budget=1)
        if following:
            brain.hold(world.model.workers[run.worker], following)
            brain.say(world, following, 0, "so ", ("g1",))
            if world.chance(0.5):
                world.jump(HOUR_MS)
        brain.finish(world, run, status)


def clock(world: World) -> None:
    """The server's clock steps by an hour: leases live longer or run out, two or three jumps on all at once."""
    step = world.pick((-HOUR_MS, HOUR_MS))
    world.jump(step)
    world.count("clock back" if step < 0 else "clock forward")
