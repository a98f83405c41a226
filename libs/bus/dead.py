"""Dead letters: what could not be answered or read, with its reason. Kept, looked at, replayed or discarded.

Letters are made by commit.lua (a turn that nobody could answer) and reject.lua (an entry that cannot be read). They go
by replay.lua, by `discard`, or from the front when there are more than 10 000. They bear the guest's words: whoever
prints one decides whether to show them.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from libs.bus.bus import Bus
from libs.bus.conversations import acceptance, refusal
from libs.bus.log import decode_log
from libs.contracts.codec import decode, encode
from libs.contracts.errors import BotelError, MalformedMessage, Retry, TurnCancelled
from libs.contracts.events import AnyEvent, MessageReceived, ReplyGenerated, ToolCompleted, ToolRequested
from libs.contracts.keys import Keys

_BODY_BYTES = 4_096
"""What is kept of an entry that cannot be read."""
_LOG_PAGE = 1_000
"""Events after the guest's message that are looked through for the turn's own."""


class Kind(enum.StrEnum):
    """What a letter was."""

    TURN = "turn"
    """A guest's turn that ended without an answer."""
    ENTRY = "entry"
    """An entry of `turns` that names no conversation."""
    EVENT = "event"
    """An entry of `events` that the store cannot read; it keeps it as it came when it can."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter. What an older release did not write is empty."""

    id: str
    """`shard:entry`, as operators name it."""
    kind: Kind
    time_ms: int
    """When it was made, by Redis's clock."""
    reason: str
    conversation_id: str = ""
    property_id: str = ""
    turn_id: str = ""
    number: int = 0
    """Log number of the guest's message."""
    attempts: int | None = None
    """Runs that began; None: not recorded."""
    tried: tuple[str, ...] = ()
    """How each of them ended: `worker what`."""
    worker_id: str = ""
    """Who gave up."""
    entry: str = ""
    """The stream entry that could not be read."""
    body: bytes = b""
    """The guest's encoded message, or what could not be read."""

    @property
    def replay_turn_id(self) -> str:
        """The turn that a replay makes: the same, whoever replays it and however often."""
        return f"replay-{self.id.replace(':', '-')}"


class NoSuchLetter(BotelError):
    code = "no-such-letter"
    retry = Retry.NEVER
    advice = "There is no such dead letter any more: it was replayed, discarded or trimmed."


class NotReplayable(BotelError):
    code = "not-replayable"
    retry = Retry.NEVER
    advice = "This dead letter bears no message of a conversation: look at it, then discard it."


class EffectsUnknown(BotelError):
    code = "effects-unknown"
    retry = Retry.NEVER
    advice = (
        "What the turn did before it died is not known: its log is gone, or a tool was asked for and no result is "
        "recorded. Look at the letter and into the hotel's system, then replay it anyway, or discard it."
    )


class Replayed(msgspec.Struct, frozen=True):
    conversation_id: str
    turn_id: str
    number: int
    duplicate: bool
    """Somebody had replayed it before."""


class Story(msgspec.Struct, frozen=True):
    """A letter's conversation now: idle, ready, running, retired (the archive has it), gone, or none."""

    state: str
    events: list[AnyEvent]
    """Of the letter's turn, as far as the log reaches."""

    @property
    def settled(self) -> bool:
        """Whether the log has the turn to its end, with a result for every tool that was asked for.

        A replay is a new turn with idempotency keys of its own: what the model sees in the log it does not do again.
        """
        asked = {event.call_id for event in self.events if isinstance(event, ToolRequested)}
        told = {event.call_id for event in self.events if isinstance(event, ToolCompleted)}
        return asked <= told and any(isinstance(event, ReplyGenerated) for event in self.events)


async def reject(
    bus: Bus,
    keys: Keys,
    kind: Kind,
    entry_id: str,
    fields: Mapping[bytes, bytes],
    reason: str,
    group: str,
    reader: str,
) -> bool:
    """Keep a pending entry that cannot be read as a dead letter and ack it, once; whether this call did it."""
    body = b" ".join(part for pair in fields.items() for part in pair)[:_BODY_BYTES]
    stream = keys.turns if kind is Kind.ENTRY else keys.events
    rejected = await bus.commands.call(
        "reject", [stream, keys.dead], [group, entry_id, kind.value, body, reason, reader]
    )
    if rejected:
        bus.observer.dead_letter(kind.value)
    return bool(rejected)


async def redis_ms(bus: Bus, keys: Keys) -> int:
    """A shard's clock, the only one that counts there, in Unix milliseconds."""
    seconds, microseconds = await bus.at(keys).send("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000


class DeadLetters:
    """The letters of every shard. Raises `BusUnavailable` when Redis does not answer, else what its methods say."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def newest(self, limit: int) -> list[Letter]:
        """The newest letters of all shards, newest first."""
        send = self._bus.commands.send
        replies = await asyncio.gather(
            *(send("XREVRANGE", keys.dead, "+", "-", "COUNT", limit) for keys in self._bus.shards)
        )
        letters = [
            _letter(shard, entry_id.decode(), _fields(fields))
            for shard, entries in enumerate(replies)
            for entry_id, fields in entries
        ]
        return sorted(letters, key=lambda one: one.time_ms, reverse=True)[:limit]

    async def find(self, letter_id: str) -> Letter:
        """`NoSuchLetter` when it is not there."""
        shard, entry = self._place(letter_id)
        found = await self._bus.commands.send("XRANGE", self._bus.shards[shard].dead, entry, entry)
        if not found:
            raise NoSuchLetter
        return _letter(shard, entry, _fields(found[0][1]))

    async def replay(self, letter_id: str, now_ms: int, *, anyway: bool = False) -> Replayed:
        """Have the letter's message answered as a new turn without a deadline; the letter goes in the same step.

        Followers learn of it from the log. Raises `NoSuchLetter`, `NotReplayable`, `EffectsUnknown` (unless `anyway`),
        and what accepting a turn raises: `UnknownConversation`, `ConversationBusy`, `Overloaded`, `TurnCancelled`,
        `TooLarge`; the letter stays then.
        """
        letter = await self.find(letter_id)
        shard, entry = self._place(letter_id)
        keys, turn = self._bus.shards[shard], letter.replay_turn_id
        message = await self._message(keys, letter)
        if not anyway and not (await self.story(letter)).settled:
            raise EffectsUnknown
        again = msgspec.structs.replace(message, id=turn, turn_id=turn, time_ms=now_ms, number=0)
        names, arguments = acceptance(self._bus, keys, again, encode(again))
        reply = await self._bus.commands.call("replay", [*names, keys.dead], [*arguments, entry])
        outcome = reply[0].decode()
        if outcome == "gone":
            raise NoSuchLetter
        if outcome == "cancelled":
            raise TurnCancelled("a replay of this letter was cancelled: discard it")
        if outcome not in ("ok", "dup"):
            raise refusal(outcome, reply)
        return Replayed(letter.conversation_id, turn, reply[1], outcome == "dup")

    async def story(self, letter: Letter) -> Story:
        """What Redis still knows of the letter's turn."""
        keys, send = self._bus.shards[self._place(letter.id)[0]], self._bus.commands.send
        conversation = letter.conversation_id
        if not conversation:
            return Story("none", [])
        state, head, entries = await asyncio.gather(
            send("HGET", keys.conv(conversation), "st"),
            send("HEXISTS", keys.heads, conversation),
            send("XRANGE", keys.log(conversation), f"{letter.number}-0", "+", "COUNT", _LOG_PAGE),
        )
        events = [one for one in decode_log(entries) if one.turn_id == letter.turn_id]
        return Story(state.decode() if state else "retired" if head else "gone", events)

    async def discard(self, letter_id: str) -> Letter:
        """Drop one letter; answers what it was. `NoSuchLetter`."""
        letter = await self.find(letter_id)
        shard, entry = self._place(letter_id)
        await self._bus.commands.send("XDEL", self._bus.shards[shard].dead, entry)
        # 0 is no refusal: the command is sent again after a broken connection, and finds what it did before
        return letter

    async def discard_older(self, than_ms: int) -> int:
        """Drop every letter that is older, in milliseconds by Redis's clock; answers how many."""
        dropped = 0
        for keys in self._bus.shards:
            before = max(0, await redis_ms(self._bus, keys) - than_ms)
            dropped += int(await self._bus.commands.send("XTRIM", keys.dead, "MINID", before))
        return dropped

    async def _message(self, keys: Keys, letter: Letter) -> MessageReceived:
        """What the guest said. `NotReplayable` when the letter is of no turn, or its message does not decode."""
        if letter.kind is not Kind.TURN or not letter.conversation_id:
            raise NotReplayable
        body, at = letter.body, f"{letter.number}-0"
        if not body:  # written by a release that left it in the log
            found = await self._bus.commands.send("XRANGE", keys.log(letter.conversation_id), at, at)
            body = found[0][1][1] if found else b""
        try:
            message = decode(body)
        except MalformedMessage as error:
            raise NotReplayable(f"its message does not decode: {error.detail}") from error
        if not isinstance(message, MessageReceived) or message.conversation_id != letter.conversation_id:
            raise NotReplayable
        return msgspec.structs.replace(message, property_id=letter.property_id or message.property_id)

    def _place(self, letter_id: str) -> tuple[int, str]:
        """Shard and entry of an id; with one shard its number may be left out."""
        shard, colon, entry = letter_id.rpartition(":")
        first, dash, second = entry.partition("-")
        known = (shard.isdecimal() and int(shard) < len(self._bus.shards)) if colon else len(self._bus.shards) == 1
        if not (known and dash and first.isdecimal() and second.isdecimal() and len(entry) <= 41):
            raise NoSuchLetter(f"{letter_id!r} is no id of a dead letter: they look like 0:1790000000000-0")
        return int(shard or 0), entry


def _letter(shard: int, entry: str, fields: Mapping[str, bytes]) -> Letter:
    def text(name: str) -> str:
        return fields.get(name, b"").decode(errors="replace")

    turn, _, rest = text("m").partition(" ")
    number, attempts = rest.partition(" ")[0], text("a")
    old = Kind.TURN if "m" in fields else Kind.ENTRY
    return Letter(
        id=f"{shard}:{entry}",
        kind=Kind(text("k")) if text("k") in tuple(Kind) else old,
        time_ms=int(entry.partition("-")[0]),
        reason=text("why"),
        conversation_id=text("c"),
        property_id=text("p"),
        turn_id=turn,
        number=int(number) if number.isdecimal() else 0,
        attempts=int(attempts) if attempts.isdecimal() else None,
        tried=tuple(one for one in text("tr").split("; ") if one),
        worker_id=text("w"),
        entry=text("of"),
        body=fields.get("b", b""),
    )


def _fields(parts: list[Any]) -> dict[str, bytes]:
    return {name.decode(errors="replace"): value for name, value in zip(parts[::2], parts[1::2], strict=True)}
