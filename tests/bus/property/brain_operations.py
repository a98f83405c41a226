"""What brains and zombies do with turns, each predicted by the model: read, claim, emit, journal, commit."""

from __future__ import annotations

from typing import Any

from tests.bus.property.model import PROPERTY, ConversationModel, Delivery, Run, WorkerModel, need
from tests.bus.property.world import World

Reply = list[Any]
DRAFT_TEXTS = ("ab", "c", "", "words ")
STREAMS = (("g1",), ("g1", "g2"))
STATUS = {"go": "finished", "exhausted": "dead", "expired": "expired", "cancelled": "cancelled"}
"""How a run with this verdict ends its turn."""


def read(world: World) -> None:
    """Unread activations for one worker; now and then the reply is lost."""
    worker = world.any_worker() if world.chance(0.15) else world.pick(world.alive_workers() or [world.any_worker()])
    for delivery in read_new(world, worker, world.pick((1, 2))):
        if world.chance(0.9):
            worker.deliveries.append(delivery)
        else:
            world.count("read lost")


def read_new(world: World, worker: WorkerModel, count: int, *, forged: str = "") -> list[Delivery]:
    """XREADGROUP, checked: exactly the unread activations, oldest first; and an entry that somebody forged."""
    turns = world.calls.keys.turns
    reply: Reply = world.calls.redis.xreadgroup("brain", worker.id, {turns: ">"}, count=count) or []
    deliveries = []
    for entry, fields in reply[0][1] if reply else []:
        if entry == forged:
            continue
        conversation = world.model.by_id(fields["c"])
        need(
            "activations",
            fields["t"] == conversation.head.id,
            "activation names the head turn",
            fields,
            conversation.head.id,
        )
        need("activations", fields["b"] == f"message {conversation.head.id}", "activation bears the message", fields)
        conversation.observe(entry)
        conversation.reader = worker.id
        deliveries.append(Delivery(entry, conversation, world.new_token()))
    return deliveries


def reread(world: World) -> None:
    """After a reconnect: the worker's own pending entries, with new tokens."""
    worker = world.any_worker()
    reply: Reply = world.calls.redis.xreadgroup("brain", worker.id, {world.calls.keys.turns: "0"}) or []
    entries = dict(reply[0][1] if reply else [])
    need("activations", set(entries) == world.model.pending(worker.id), "own pending entries", worker.id, entries)
    for entry, fields in entries.items():
        worker.deliveries.append(Delivery(entry, world.model.by_id(fields["c"]), world.new_token()))


def claim(world: World) -> None:
    """Any delivery of any worker; the reply may be lost, for a moment or for ever."""
    holders = [worker for worker in world.model.workers.values() if worker.deliveries]
    if not holders:
        return
    worker = world.pick(holders)
    delivery = worker.deliveries.pop(world.rng.randrange(len(worker.deliveries)))
    run = take(world, worker, delivery, 0 if world.chance(0.08) else world.model.attempts_limit)
    if world.chance(0.15):
        worker.deliveries.append(delivery)  # the reply was lost: the same claim comes again
    elif run and world.chance(0.93):
        hold(worker, run)
    elif run:
        world.count("claim lost")


def take(world: World, worker: WorkerModel, delivery: Delivery, limit: int) -> Run | None:
    """One claim, checked; the run that it granted, or granted before."""
    conversation = delivery.conversation
    key = world.calls.keys.conv(conversation.id)
    before = world.calls.redis.hgetall(key)
    reply = world.calls.claim(worker.id, delivery.entry, conversation.id, delivery.token, limit)
    need("claim", before.get("st") != "running" or before == world.calls.redis.hgetall(key), "claim took a run", reply)
    world.count(f"claim {reply[0]}")
    again = conversation.state == "running" and (conversation.owner, conversation.token) == (worker.id, delivery.token)
    if conversation.entry != delivery.entry:
        need("claim", reply == ["stale"], "claim of a superseded activation", reply)
    elif conversation.state == "running" and not again:
        need("claim", reply == ["running"], "claim of a running conversation", reply)
    elif not again and not world.model.alive(worker.id):
        need("claim", reply == ["lapsed"], "claim without a lease", reply)
    else:
        need("claim", reply[0] == "run", "claim", reply)
        if not again:
            conversation.granted(worker.id, reply[1])
            conversation.token, conversation.granted_after = delivery.token, None
        return _granted_run(world, worker, conversation, reply, limit)
    return None


def _granted_run(world: World, worker: WorkerModel, conversation: ConversationModel, reply: Reply, limit: int) -> Run:
    _, epoch, attempt, verdict, item, draft, number, version, subscribers = reply
    turn, now = conversation.head, world.model.now
    need("epochs", epoch == conversation.epoch, "repeated claim has another epoch", epoch, conversation.epoch)
    need("grants", attempt == turn.attempts, "attempts", attempt, turn.attempts)
    need("grants", verdict == conversation.verdict(turn.attempts, limit, now), "verdict of the claim", verdict, turn)
    world.count(f"verdict {verdict}")
    need("grants", item.split()[:2] == [turn.id, str(turn.number)], "a grant is the oldest open turn", item, turn.id)
    need("draft", draft == turn.draft, "draft at the grant", draft, turn.draft)
    need("log", number == len(conversation.log), "number at the grant", number, len(conversation.log))
    need("followers", version == conversation.version, "subscriber version", version, conversation.version)
    need("followers", sorted(subscribers) == conversation.subscribers(now), "subscribers", subscribers)
    return Run(worker.id, conversation, turn, epoch, verdict, len(draft), unsent_draft=draft)


def hold(worker: WorkerModel, run: Run) -> None:
    """The worker knows of the run, once."""
    if not any((one.conversation, one.epoch) == (run.conversation, run.epoch) for one in worker.runs):
        worker.runs.append(run)


def emit(world: World) -> None:
    """A run speaks; sometimes twice the same, too far ahead, or past the limit."""
    run = any_run(world)
    if run is None:
        return
    offset, text = run.offset, world.pick(DRAFT_TEXTS)
    if run.unsent_draft and world.chance(0.7):
        offset, text, run.unsent_draft = 0, run.unsent_draft, ""
    elif world.chance(0.05):
        offset += 3
    limit = 2 if world.chance(0.05) else 100_000
    gateways = world.pick(STREAMS)
    for _ in range(2 if world.chance(0.2) else 1):
        say(world, run, offset, text, gateways, limit)


def say(world: World, run: Run, offset: int, text: str, gateways: tuple[str, ...], limit: int = 100_000) -> None:
    """One emit, checked."""
    conversation, turn = run.conversation, run.turn
    reply = world.calls.emit(
        run.worker, conversation.id, run.epoch, turn.id, offset, text, gateways=gateways, limit=limit
    )
    world.count(f"emit {reply[0]}")
    length = len(turn.draft)
    if not conversation.runs(run):
        need("fence", reply == ["fenced"], "emit of a stale run", reply)
    elif turn.cancelled:
        need("cancel", reply == ["cancelled", length], "emit after the cancel", reply)
    elif offset > length:
        need("draft", reply == ["gap", length], "emit beyond the draft", reply)
    elif offset + len(text) > limit:
        need("limits", reply == ["full", length], "emit past the limit", reply)
    else:
        turn.draft = turn.draft[:offset] + text + turn.draft[offset + len(text) :]
        need("fence", reply == ["ok", len(turn.draft), conversation.version], "emit", reply, turn.draft)
        run.offset = max(run.offset, offset + len(text))


def journal(world: World) -> None:
    """A tool call is recorded, often by two runs, before or after its effect."""
    if run := any_run(world):
        record_call(world, run)


def record_call(world: World, run: Run) -> None:
    """One journal, checked."""
    conversation, turn = run.conversation, run.turn
    event, begins = f"tool.{turn.id}.{world.rng.randrange(2)}", world.chance(0.4)
    offset = len(turn.draft) + (3 if world.chance(0.12) else 0)
    reply = world.calls.journal(
        run.worker, conversation.id, run.epoch, turn.id, event, event, offset=offset, begins=begins, gateways=("g1",)
    )
    world.count(f"journal {reply[0]}")
    known = conversation.event_numbers.get(event)
    if not conversation.runs(run):
        need("fence", reply == ["fenced"], "journal of a stale run", reply)
    elif turn.cancelled and begins:
        need("cancel", reply == ["cancelled", 0], "side effect of a cancelled turn", reply)
    elif known:
        need("log", reply == ["dup", known], "journal again", reply, known)
    elif offset > len(turn.draft) and not turn.cancelled:
        need("draft", reply == ["gap", len(turn.draft)], "journal ahead of the words", reply)
    else:
        number = conversation.event_numbers[event] = conversation.record(event)
        need("fence", reply == ["cancelled" if turn.cancelled else "ok", number], "journal", reply, number)


def commit(world: World) -> None:
    """A run ends; the reply may be lost, and then it comes again, at once or long after."""
    run = any_run(world)
    if run is None:
        return
    status = STATUS[run.verdict]
    if status == "finished" and world.chance(0.15):
        finish(world, run, "finished", offset=run.offset + 3)
    worker = world.model.workers[run.worker]
    for _ in range(2 if world.chance(0.2) else 1):
        reply, following = finish(world, run, status)
        if reply[0] == "cancelled":
            reply, following = finish(world, run, "cancelled")
        if following and world.chance(0.93):
            hold(worker, following)
        elif following:
            world.count("next lost")
    if world.chance(0.9):
        worker.runs.remove(run)


def finish(
    world: World, run: Run, status: str, offset: int | None = None, budget: int | None = None
) -> tuple[Reply, Run | None]:
    """One commit, checked; the run that it granted in place."""
    conversation, turn = run.conversation, run.turn
    bodies = [f"reply {turn.id}", *(["card"] if world.chance(0.2) else [])]
    offset, last = run.offset if offset is None else offset, world.pick(("", "end"))
    budget = world.pick((0, 1, 1)) if budget is None else budget
    reply = world.calls.commit(
        run.worker, conversation.id, run.epoch, turn.id, status, bodies,
        budget=budget, offset=offset, last=last, gateways=("g1", "g2"),
    )  # fmt: skip
    world.count(f"commit {reply[0]}")
    if not conversation.runs(run):
        return reply, _finish_again(world, conversation, run, reply)
    if turn.cancelled and status not in ("cancelled", "dead"):
        need("cancel", reply[0] == "cancelled", "a cancelled turn must not finish", reply)
        return reply, None
    if offset > len(turn.draft) and not turn.cancelled:
        need("draft", reply == ["gap", len(turn.draft)], "commit ahead of the words", reply)
        return reply, None
    need("commits", conversation.head is turn, "commit out of order", turn.id, conversation.head.id)
    _end(world, run, status, bodies, "" if turn.cancelled else last)
    if conversation.open_turns and budget:
        need("commits", reply[0] == "next", "next in place", reply)
        conversation.granted(run.worker, reply[3])
        conversation.token, conversation.granted_after = "", run.epoch
        return reply, _following(world, conversation, run, reply)
    if conversation.open_turns:
        conversation.activate()
    else:
        conversation.rest()
    expected = ["ready" if conversation.open_turns else "idle", len(conversation.log), conversation.version]
    need("commits", reply == expected, "commit", reply, expected)
    return reply, None


def _end(world: World, run: Run, status: str, bodies: list[str], last: str) -> None:
    conversation, turn = run.conversation, run.turn
    turn.status, turn.last_words = status, last
    conversation.last_commit = (run.worker, run.epoch)
    for body in bodies:
        conversation.record(body)
    if status == "dead":
        tried, attempts = "; ".join(turn.tried)[:500], turn.attempts - 1
        world.model.unread_letters.append(
            {
                "k": "turn", "c": conversation.id, "p": PROPERTY, "m": turn.id, "e": str(run.epoch), "w": run.worker,
                "a": str(attempts), "tr": tried, "why": "why", "b": f"message {turn.id}",
            }
        )  # fmt: skip


def _finish_again(world: World, conversation: ConversationModel, run: Run, reply: Reply) -> Run | None:
    if conversation.last_commit != (run.worker, run.epoch):
        need("fence", reply == ["fenced"], "commit of a stale run", reply)
        return None
    mine = conversation.state == "running" and conversation.owner == run.worker
    if mine and conversation.granted_after == run.epoch:
        need("commits", reply[0] == "next", "repeated commit with a next turn", reply)
        return _following(world, conversation, run, reply)
    expected = ["idle" if conversation.state == "idle" else "ready", len(conversation.log), conversation.version]
    need("commits", reply == expected, "repeated commit", reply, expected)
    return None


def _following(world: World, conversation: ConversationModel, run: Run, reply: Reply) -> Run:
    _, number, version, epoch, verdict, item = reply
    turn = conversation.head
    need(
        "log",
        (number, version) == (len(conversation.log), conversation.version),
        "number and version of the next",
        reply,
    )
    need("epochs", epoch == conversation.epoch, "epoch of the next", epoch, conversation.epoch)
    need("grants", verdict == conversation.verdict(0, 1, world.model.now), "verdict of the next", verdict, turn)
    world.count(f"next {verdict}")
    need("grants", item.split()[:2] == [turn.id, str(turn.number)], "the next is the oldest open turn", item, turn.id)
    return Run(run.worker, conversation, turn, epoch, verdict, len(turn.draft))


def any_run(world: World) -> Run | None:
    """Any run that any worker believes in."""
    runs = list(world.model.all_runs())
    return world.pick(runs) if runs else None
