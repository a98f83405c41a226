"""What gateways and the store do, each predicted by the model: accept, cancel, append, follow, open, retire."""

from __future__ import annotations

from typing import Any

from tests.bus.property.model import (
    DEADLINE_MS,
    GATEWAYS,
    MAILBOX,
    NEVER,
    PROPERTY,
    ConversationModel,
    TurnModel,
    need,
)
from tests.bus.property.world import World


def accept(world: World) -> None:
    """A new turn, sometimes one that was cancelled before it came, or in a queue that is full."""
    conversation = world.any_conversation()
    turn = world.new_turn_id(conversation)
    if world.chance(0.06):
        cancel_turn(world, conversation, turn)
    _accept(world, conversation, turn, waiting=world.pick((1_000, 1_000, 1)))


def accept_again(world: World) -> None:
    """A duplicate delivery of a turn, committed or not."""
    conversation = world.any_conversation()
    if conversation.turns:
        _accept(world, conversation, world.pick(conversation.turns).id, waiting=1_000)


def accept_refused(world: World) -> None:
    """Too large, of another property, of no conversation: nothing may be written."""
    conversation, turn = world.any_conversation(), "never.1"
    calls = world.calls
    need("limits", calls.accept(conversation.id, turn, PROPERTY, "x" * 2_000) == ["large", 2_000], "large")
    need(
        "limits",
        calls.accept(conversation.id, turn, "elsewhere", "x") == ["unknown"],
        "another property's conversation",
    )
    need("limits", calls.accept("nowhere", turn, PROPERTY, "x") == ["unknown"], "no conversation")


def _accept(world: World, conversation: ConversationModel, turn: str, *, waiting: int) -> None:
    gateway, now = world.pick(("", *GATEWAYS)), world.model.now
    body, deadline_ms = f"message {turn}", world.pick((0, DEADLINE_MS))
    reply = world.calls.accept(
        conversation.id, turn, PROPERTY, body,
        deadline_ms=deadline_ms, mailbox=MAILBOX, waiting=waiting, gateway=gateway,
    )  # fmt: skip
    deadline = now + deadline_ms if deadline_ms else 0
    taken = take_in(world, conversation, turn, body, reply, waiting=waiting, gateway=gateway, deadline=deadline)
    if taken == "ok":
        subscribers = conversation.subscribers(now)
        need("followers", sorted(reply[3]) == subscribers, "accept's subscribers", reply, subscribers)
    world.count(f"accept {taken}")


def take_in(
    world: World,
    conversation: ConversationModel,
    turn: str,
    body: str,
    reply: list[Any],
    *,
    waiting: int,
    gateway: str = "",
    deadline: float = 0,
) -> str:
    """What accept, or replay, must have answered; the model follows. Answers its word."""
    known, depth = conversation.find(turn), len(conversation.open_turns)
    conversation.revive()
    if turn in conversation.early:
        need("cancel", reply == ["cancelled"], "accept after an early cancel", reply)
    elif known:
        conversation.subscribe(gateway, world.model.now)
        need("limits", reply == ["dup", known.number], "duplicate", reply, known.number)
    elif depth >= MAILBOX:
        need("limits", reply == ["busy", depth], "busy", reply)
    elif depth == 0 and world.model.unread() >= waiting:
        need("limits", reply == ["overload", world.model.unread()], "overload", reply)
    else:
        conversation.turns.append(TurnModel(turn, conversation.record(body), deadline=deadline))
        conversation.subscribe(gateway, world.model.now)
        if conversation.state == "idle":
            conversation.activate()
        need("limits", reply[:3] == ["ok", len(conversation.log), depth], "accept", reply)
    return str(reply[0])


def cancel(world: World) -> None:
    """The turn that runs, one of now, or one of long ago."""
    conversation = world.any_conversation()
    if conversation.open_turns and world.chance(0.4):
        cancel_turn(world, conversation, conversation.head.id)
    elif conversation.turns:
        recent = conversation.turns if world.chance(0.2) else conversation.turns[-5:]
        cancel_turn(world, conversation, world.pick(recent).id)


def cancel_turn(world: World, conversation: ConversationModel, turn_id: str) -> None:
    """One cancel, checked."""
    reply = world.calls.cancel(conversation.id, turn_id, PROPERTY)
    conversation.revive()
    turn = conversation.find(turn_id)
    if turn is None:
        need("cancel", reply == ["early"], "cancel before accept", reply)
        conversation.early.add(turn_id)
    elif turn.status:
        need("cancel", reply == ["done"], "cancel after commit", reply)
    else:
        running = conversation.state == "running" and turn is conversation.head
        expected = ["running", conversation.owner] if running else ["queued"]
        need("cancel", reply == expected, "cancel", reply, expected)
        if not turn.cancelled:
            turn.cancelled = True
            turn.silent_after = {gateway: world.last_chunk(gateway) for gateway in GATEWAYS}
    world.count(f"cancel {reply[0]}")


def append(world: World) -> None:
    """An event from outside, often a second time."""
    conversation = world.any_conversation()
    event = f"heard.{world.rng.randrange(20)}"
    body, name, value = f"{event} of {conversation.id}", world.pick("abc"), world.pick(("", "1", "2"))
    reply = world.calls.append(conversation.id, PROPERTY, event, body, (name, value))
    conversation.revive()
    known = conversation.event_numbers.get(event)
    if known:
        need("log", reply == ["dup", known], "event again", reply, known)
        return
    number = conversation.event_numbers[event] = conversation.record(body)
    conversation.context = {key: old for key, old in {**conversation.context, name: value}.items() if old}
    need("log", reply[:2] == ["ok", number], "append", reply, number)
    need("followers", sorted(reply[2]) == conversation.subscribers(world.model.now), "append's subscribers", reply)


def follow(world: World) -> None:
    """A gateway begins to follow, or renews."""
    conversation, gateway = world.any_conversation(), world.pick(GATEWAYS)
    reply = world.calls.follow(conversation.id, PROPERTY, gateway)
    conversation.revive()
    conversation.subscribe(gateway, world.model.now)
    turn = conversation.head.id if conversation.state == "running" else ""
    draft = conversation.head.draft if conversation.open_turns else ""
    expected = ["ok", len(conversation.log), conversation.epoch, conversation.state, turn, draft]
    need("followers", reply == expected, "follow", reply, expected)


def subscription_runs_out(world: World) -> None:
    """The gateway stays listed, expired, until somebody looks."""
    conversation = world.any_conversation()
    if conversation.listed:
        gateway = world.pick(sorted(conversation.listed))
        world.calls.redis.zadd(world.calls.keys.subs(conversation.id), {gateway: 1})
        conversation.listed[gateway] = NEVER


def open_again(world: World) -> None:
    """A repeated open finds the conversation, even a retired one."""
    conversation = world.any_conversation()
    proposed, identity = world.pick(((conversation.id, ""), ("another", f"identity/{conversation.id}")))
    reply = world.calls.open(proposed, PROPERTY, "opened again", identity)
    need("log", reply == ["found", conversation.id], "open again", reply)


def retire(world: World) -> None:
    """The archive has everything, or lacks the last event."""
    retire_one(world, world.any_conversation())


def retire_one(world: World, conversation: ConversationModel) -> None:
    """One retirement, checked."""
    archived = len(conversation.log) - (1 if world.chance(0.2) else 0)
    reply = world.calls.retire(conversation.id, archived)
    if conversation.retired:
        expected = "none"
    elif conversation.state != "idle":
        expected = "busy"
    elif archived < len(conversation.log):
        expected = "behind"
    else:
        expected = "retired"
        conversation.retired, conversation.archived = True, archived
        conversation.listed, conversation.version = {}, 0
        conversation.last_commit = None
    need("log", reply == expected, "retire", reply, expected)
    world.count(f"retire {reply}")
