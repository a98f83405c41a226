"""What operators do with dead letters, each predicted by the model: replay, more than once, and discard."""

from __future__ import annotations

from tests.bus.property import gateway_operations as gateway
from tests.bus.property.model import MAILBOX, PROPERTY, LetterModel, need
from tests.bus.property.world import World


def replay(world: World) -> None:
    """A letter that is there, or one that was replayed or discarded before: two operators, or a lost reply."""
    model = world.model
    past = model.past_letters if world.chance(0.3) else []
    letters = [letter for letter in past or model.letters if letter.conversation]
    if letters:
        letter = world.pick(letters)
        conversation = model.by_id(letter.fields["c"])
        if world.chance(0.1):
            gateway.cancel_turn(world, conversation, letter.replay_turn)
        if world.chance(0.4):
            gateway.retire_one(world, conversation)
        for _ in range(2 if world.chance(0.3) else 1):
            _replay(world, letter)


def _replay(world: World, letter: LetterModel) -> None:
    conversation, turn = world.model.by_id(letter.fields["c"]), letter.replay_turn
    body, waiting = f"message {turn}", world.pick((1_000, 1))
    reply = world.calls.replay(
        letter.entry, conversation.id, turn, PROPERTY, body, mailbox=MAILBOX, waiting=waiting
    )  # fmt: skip
    world.count(f"replay {reply[0]}")
    if letter not in world.model.letters:
        known = conversation.find(turn)
        need("letters", reply == (["dup", known.number] if known else ["gone"]), "replay again", reply, turn)
    elif gateway.take_in(world, conversation, turn, body, reply, waiting=waiting) in ("ok", "dup"):
        world.model.letters.remove(letter)
        world.model.past_letters.append(letter)


def discard(world: World) -> None:
    """Any letter."""
    if world.model.letters:
        letter = world.pick(world.model.letters)
        world.calls.redis.xdel(world.calls.keys.dead, letter.entry)
        world.model.letters.remove(letter)
        world.model.past_letters.append(letter)
