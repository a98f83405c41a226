"""A worker's two verbs on the turn queue, typed: claim a turn with all it needs to answer, and commit it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from libs.bus.bus import Bus
from libs.bus.dead import Kind, reject
from libs.bus.log import decode_context, decode_log, number_of
from libs.contracts.codec import decode, encode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import AnyEvent, Event, MessageReceived, ReplyStatus
from libs.contracts.keys import TURN_GROUP, Keys
from libs.contracts.turns import Activation, Grant, MailboxItem, Verdict


class Claimed(msgspec.Struct, frozen=True):
    """A grant, and the conversation as it stands."""

    grant: Grant
    context: dict[str, str]
    events: list[AnyEvent]


class Committed(msgspec.Struct, frozen=True):
    """What a commit answered. `outcome`: idle, ready, next, cancelled, gap or fenced."""

    outcome: str
    number: int = 0
    """Last event number; for `gap` the bytes of the draft."""
    version: int = 0
    """Subscriber version."""
    epoch: int = 0
    verdict: Verdict = Verdict.GO
    item: MailboxItem | None = None
    """The next turn, granted in place."""


class TurnQueue:
    """The queue of one shard as one worker sees it."""

    def __init__(self, bus: Bus, keys: Keys, worker_id: str) -> None:
        self._bus, self._keys, self._worker = bus, keys, worker_id

    async def claim(self, activation: Activation, token: str) -> Claimed | str:
        """Claim, and read context and log in the same batch. A refusal is its word: stale, running or lapsed."""
        keys, conversation = self._keys, activation.conversation_id
        claimed = self._bus.commands.call(
            "claim",
            [
                keys.turns,
                keys.conv(conversation),
                keys.mail(conversation),
                keys.draft(conversation),
                keys.leases,
                keys.owned(self._worker),
                keys.subs(conversation),
            ],
            [self._worker, activation.entry_id, conversation, token, self._bus.settings.max_attempts],
        )
        context, entries = self._view(conversation)
        reply = await claimed
        if reply[0] != b"run":
            context.cancel()
            entries.cancel()
            return str(reply[0].decode())
        grant = Grant(
            conversation_id=conversation,
            epoch=reply[1],
            attempt=reply[2],
            verdict=Verdict(reply[3].decode()),
            item=MailboxItem.parse(reply[4].decode()),
            draft=reply[5].decode(errors="ignore"),
            last_number=reply[6],
            subscriber_version=reply[7],
            subscribers=tuple(gateway.decode() for gateway in reply[8]),
        )
        if grant.verdict is Verdict.EXHAUSTED:  # what broke every run before may be in the view
            return Claimed(grant, {}, [activation.message] if activation.message else [])
        return await self._claimed(grant, await context, await entries)

    async def following(self, conversation: str, committed: Committed) -> Claimed:
        """The turn that a commit granted in place, with the conversation as it stands."""
        assert committed.item is not None
        gateways = _asked(self._bus.commands.send("ZRANGE", self._keys.subs(conversation), 0, -1))
        context, entries = self._view(conversation)
        grant = Grant(
            conversation_id=conversation,
            epoch=committed.epoch,
            attempt=1,
            verdict=committed.verdict,
            item=committed.item,
            draft="",
            last_number=committed.number,
            subscriber_version=committed.version,
            subscribers=tuple(gateway.decode() for gateway in await gateways),
        )
        return await self._claimed(grant, await context, await entries)

    async def commit(
        self,
        grant: Grant,
        status: ReplyStatus,
        events: Sequence[Event],
        *,
        gateways: Sequence[str],
        offset: int = 0,
        last_words: bytes = b"",
        reason: str = "",
        budget: int = 0,
        trace: str = "",
    ) -> Committed:
        """End the turn. `budget`: turns of the conversation that may still be taken in place."""
        keys, conversation = self._keys, grant.conversation_id
        reply = await self._bus.commands.call(
            "commit",
            [
                keys.turns,
                keys.conv(conversation),
                keys.mail(conversation),
                keys.log(conversation),
                keys.events,
                keys.draft(conversation),
                keys.owned(self._worker),
                keys.dead,
                *map(keys.chunks, gateways),
            ],
            [
                self._worker,
                conversation,
                grant.epoch,
                grant.item.turn_id,
                status.value,
                budget,
                reason,
                self._bus.settings.max_chunk_stream,
                offset,
                last_words,
                trace,
                *map(encode, events),
            ],
        )
        return _committed(reply)

    async def announce(self, grant: Grant, event: Event, number: int, told: Sequence[str]) -> None:
        """Copy an event to gateways that began to follow too late for its commit; else they only find it by looking."""
        conversation, cap = grant.conversation_id, self._bus.settings.max_chunk_stream
        listed = await self._bus.commands.send("ZRANGE", self._keys.subs(conversation), 0, -1)
        late = {gateway.decode() for gateway in listed} - set(told)
        copy = ("MAXLEN", "~", cap, "*", "c", conversation, "n", number, "b", encode(event))
        await asyncio.gather(*(self._bus.commands.send("XADD", self._keys.chunks(one), *copy) for one in late))

    async def reject(self, entry_id: str, fields: dict[bytes, bytes], reason: str) -> None:
        """An entry that names no conversation: kept as a dead letter, once, and acked."""
        await reject(self._bus, self._keys, Kind.ENTRY, entry_id, fields, reason, TURN_GROUP, self._worker)

    def _view(self, conversation: str) -> tuple[asyncio.Future[Any], asyncio.Future[Any]]:
        """Context, and the end of the log, newest first."""
        commands, keys = self._bus.commands, self._keys
        return (
            _asked(commands.send("HGETALL", keys.context(conversation))),
            _asked(commands.send("XREVRANGE", keys.log(conversation), "+", "-", "COUNT", self._bus.settings.log_tail)),
        )

    async def _claimed(self, grant: Grant, context: list[bytes], entries: list[Any]) -> Claimed:
        """With the turn's message, even if so much was appended since that it is not in the end of the log."""
        number = grant.item.number
        if entries and number_of(entries[-1][0]) > number:
            log = self._keys.log(grant.conversation_id)
            entries += await self._bus.commands.send("XRANGE", log, f"{number}-0", f"{number}-0")
        return Claimed(grant, decode_context(context), decode_log(reversed(entries)))


def parse_activation(entry_id: str, fields: dict[bytes, bytes]) -> Activation:
    """An entry of `turns`. `MalformedMessage` when it names no conversation; a bad message is only noted."""
    try:
        conversation, turn = fields[b"c"].decode(), fields[b"t"].decode()
    except (KeyError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"turns entry without a conversation and turn: {error}") from error
    try:
        message = decode(fields.get(b"b", b""))
    except MalformedMessage as error:
        return Activation(entry_id, conversation, turn, None, error.detail)
    if not isinstance(message, MessageReceived):
        return Activation(entry_id, conversation, turn, None, "its event is not message.received")
    return Activation(entry_id, conversation, turn, message)


def _asked(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """A reply that may turn out not to be wanted: its error is nobody's then."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _committed(reply: list[Any]) -> Committed:
    outcome = reply[0].decode()
    match outcome:
        case "next":
            _, number, version, epoch, verdict, item = reply
            return Committed(
                outcome, number, version, epoch, Verdict(verdict.decode()), MailboxItem.parse(item.decode())
            )
        case "gap":
            return Committed(outcome, reply[1])
        case "fenced":
            return Committed(outcome)
        case _:
            return Committed(outcome, reply[1], reply[2])
