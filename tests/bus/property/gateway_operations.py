"""What gateways and the store do, each predicted by the model: accept, cancel, append, follow, open, retire."""

from __future__ import annotations

from tests.bus.property.model import GATEWAYS, MAILBOX, PROPERTY, ConversationModel, TurnModel, need
from tests.bus.property.world import World


def accept(world: World) -> None:
    """A new turn, sometimes one that was cancelled before it came, or in a queue that is full."""
    conversation = world.any_conversation()
    turn = world.new_turn_id(conversation)
    if world.chance(0.06):
        _cancel(world, conversation, turn)
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
    need(calls.accept(conversation.id, turn, PROPERTY, "x" * 2_000) == ["large", 2_000], "large")
    need(calls.accept(conversation.id, turn, "elsewhere", "x") == ["unknown"], "another property's conversation")
    need(calls.accept("nowhere", turn, PROPERTY, "x") == ["unknown"], "no conversation")


def _accept(world: World, conversation: ConversationModel, turn: str, *, waiting: int) -> None:
    gateway = world.pick(("", *GATEWAYS))
    body = f"message {turn}"
    reply = world.calls.accept(conversation.id, turn, PROPERTY, body, mailbox=MAILBOX, waiting=waiting, gateway=gateway)
    known, depth = conversation.find(turn), len(conversation.open_turns)
    conversation.revive()
    if turn in conversation.early:
        need(reply == ["cancelled"], "accept after an early cancel", reply)
    elif known:
        conversation.subscribe(gateway)
        need(reply == ["dup", known.number], "duplicate", reply, known.number)
    elif depth >= MAILBOX:
        need(reply == ["busy", depth], "busy", reply)
    elif depth == 0 and world.model.unread() >= waiting:
        need(reply == ["overload", world.model.unread()], "overload", reply)
    else:
        conversation.turns.append(TurnModel(turn, conversation.record(body)))
        conversation.subscribe(gateway)
        if conversation.state == "idle":
            conversation.activate()
        subscribers = sorted(conversation.subscribers)
        need(reply[:3] == ["ok", len(conversation.log), depth], "accept", reply)
        need(sorted(reply[3]) == subscribers, "accept's subscribers", reply, subscribers)
    world.count(f"accept {reply[0]}")


def cancel(world: World) -> None:
    """The turn that runs, one of now, or one of long ago."""
    conversation = world.any_conversation()
    if conversation.open_turns and world.chance(0.4):
        _cancel(world, conversation, conversation.head.id)
    elif conversation.turns:
        recent = conversation.turns if world.chance(0.2) else conversation.turns[-5:]
        _cancel(world, conversation, world.pick(recent).id)


def _cancel(world: World, conversation: ConversationModel, turn_id: str) -> None:
    reply = world.calls.cancel(conversation.id, turn_id, PROPERTY)
    conversation.revive()
    turn = conversation.find(turn_id)
    if turn is None:
        need(reply == ["early"], "cancel before accept", reply)
        conversation.early.add(turn_id)
    elif turn.status:
        need(reply == ["done"], "cancel after commit", reply)
    else:
        running = conversation.state == "running" and turn is conversation.head
        expected = ["running", conversation.owner] if running else ["queued"]
        need(reply == expected, "cancel", reply, expected)
        if not turn.cancelled:
            turn.cancelled = True
            turn.silent_after = {gateway: world.last_chunk(gateway) for gateway in GATEWAYS}
    world.count(f"cancel {reply[0]}")


def append(world: World) -> None:
    """An event from outside, often a second time."""
    conversation = world.any_conversation()
    event = f"heard.{world.rng.randrange(20)}"
    body = f"{event} of {conversation.id}"
    reply = world.calls.append(conversation.id, PROPERTY, event, body)
    conversation.revive()
    known = conversation.event_numbers.get(event)
    if known:
        need(reply == ["dup", known], "event again", reply, known)
        return
    number = conversation.event_numbers[event] = conversation.record(body)
    need(reply[:2] == ["ok", number], "append", reply, number)
    need(sorted(reply[2]) == sorted(conversation.subscribers), "append's subscribers", reply)


def follow(world: World) -> None:
    """A gateway begins to follow, or renews."""
    conversation, gateway = world.any_conversation(), world.pick(GATEWAYS)
    reply = world.calls.follow(conversation.id, PROPERTY, gateway)
    conversation.revive()
    conversation.subscribe(gateway)
    turn = conversation.head.id if conversation.state == "running" else ""
    draft = conversation.head.draft if conversation.open_turns else ""
    expected = ["ok", len(conversation.log), conversation.epoch, conversation.state, turn, draft]
    need(reply == expected, "follow", reply, expected)


def subscription_runs_out(world: World) -> None:
    """The gateway stays listed, expired, until somebody looks."""
    conversation = world.any_conversation()
    if conversation.subscribers:
        gateway = world.pick(sorted(conversation.subscribers))
        world.calls.redis.zadd(world.calls.keys.subs(conversation.id), {gateway: 1})
        conversation.subscribers.discard(gateway)


def open_again(world: World) -> None:
    """A repeated open finds the conversation, even a retired one."""
    conversation = world.any_conversation()
    proposed, identity = world.pick(((conversation.id, ""), ("another", f"identity/{conversation.id}")))
    reply = world.calls.open(proposed, PROPERTY, "opened again", identity)
    need(reply == ["found", conversation.id], "open again", reply)


def retire(world: World) -> None:
    """The archive has everything, or lacks the last event."""
    conversation = world.any_conversation()
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
        conversation.subscribers, conversation.version = set(), 0
        conversation.last_commit = None
    need(reply == expected, "retire", reply, expected)
    world.count(f"retire {reply}")
