"""What gateways, the store and staff tools do to a conversation: open, accept, append, cancel, read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from libs.bus.bus import Bus
from libs.bus.link import Part
from libs.bus.log import decode_context, decode_log
from libs.bus.run_span import about, messaging
from libs.bus.tracing import Kind, Span
from libs.contracts.chunks import EventCopy
from libs.contracts.codec import encode
from libs.contracts.errors import (
    BotelError,
    ConversationBusy,
    Overloaded,
    TooLarge,
    TurnCancelled,
    UnknownConversation,
)
from libs.contracts.events import AnyEvent, ConversationOpened, Event, MessageReceived
from libs.contracts.ids import check_id, identity_of
from libs.contracts.keys import Keys
from libs.contracts.limits import MAX_EVENT_BYTES

_STREAM_MS = 3_600_000
_log = logging.getLogger(__name__)


class Opened(msgspec.Struct, frozen=True):
    conversation_id: str
    created: bool


class Accepted(msgspec.Struct, frozen=True):
    number: int
    """Log number of the message."""
    depth: int
    """Turns of the conversation that were waiting before it."""
    duplicate: bool


class Snapshot(msgspec.Struct, frozen=True):
    """A conversation as Redis has it now."""

    context: dict[str, str]
    events: list[AnyEvent]
    number: int = 0
    """Last event number; of a retired conversation that of its last event, which Redis does not have."""


class Conversations:
    """Raises typed errors of libs.contracts.errors; `BusUnavailable` when Redis does not answer in time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def open(self, event: ConversationOpened, context: Mapping[str, str]) -> Opened:
        """The conversation of the event's identity; the event's own id becomes the conversation if there is none."""
        conversation_id = check_id(event.conversation_id, "conversation_id")
        keys = self._bus.keys(event.property_id)
        identity = identity_of(event.property_id, reservation_id=event.reservation_id, customer_id=event.customer_id)
        reply = await self._bus.commands.call(
            "open",
            [
                keys.open(identity) if identity else keys.conv(conversation_id),
                keys.conv(conversation_id),
                keys.log(conversation_id),
                keys.events,
                keys.context(conversation_id),
                keys.heads,
            ],
            ["1" if identity else "", conversation_id, event.property_id, encode(event), *_pairs(context)],
        )
        return Opened(reply[1].decode(), reply[0] == b"opened")

    async def accept(self, message: MessageReceived, *, deadline_ms: int = 0, gateway_id: str = "") -> Accepted:
        """Take in a turn, once per turn id, and subscribe the gateway to the conversation.

        `deadline_ms` from now; a reply that has not begun by then is not begun. Raises `UnknownConversation`,
        `ConversationBusy`, `Overloaded`, `TooLarge`, `TurnCancelled`: nothing was written then.
        """
        span, error = self._sending(message), ""
        ids = {"property_id": message.property_id, "conversation_id": message.conversation_id}
        try:
            with self._bus.tracer.inside(span.trace, turn_id=message.turn_id, **ids):
                accepted = await self._accept(message, deadline_ms, gateway_id)
                told = {"channel": message.channel.value, "number": accepted.number, "text": message.text}
                _log.info("turn accepted", extra=told)
                return accepted
        except BotelError as refused:
            error = refused.code
            raise
        finally:
            span.end(error=error)

    def _sending(self, message: MessageReceived) -> Span:
        tracer = self._bus.tracer
        told = {**about(message), **messaging("send", "send", "turns", message)} if tracer.on else None
        return tracer.start("send turns", message.trace, kind=Kind.PRODUCER, attributes=told)

    async def _accept(self, message: MessageReceived, deadline_ms: int, gateway_id: str) -> Accepted:
        conversation, keys = message.conversation_id, self._bus.keys(message.property_id)
        body = encode(message)
        reply = await self._bus.commands.call(
            "accept", *acceptance(self._bus, keys, message, body, deadline_ms, gateway_id)
        )
        outcome = reply[0].decode()
        self._bus.observer.accepted(message.property_id, outcome)
        if outcome == "dup":
            return Accepted(reply[1], 0, duplicate=True)
        if outcome != "ok":
            raise refusal(outcome, reply)
        self._hint(message.property_id, conversation, reply[1], body, reply[3])
        return Accepted(reply[1], reply[2], duplicate=False)

    async def append(self, event: Event, context: Mapping[str, str] | None = None) -> int:
        """Record an event of somebody who does not own the turn, once per event id; returns its number.

        `context` fields are set in the same step; an empty value removes the field.
        """
        conversation, keys, body = event.conversation_id, self._bus.keys(event.property_id), encode(event)
        reply = await self._bus.commands.call(
            "append",
            [
                keys.conv(conversation),
                keys.log(conversation),
                keys.events,
                keys.seen(conversation, event.id),
                keys.heads,
                keys.subs(conversation),
                keys.context(conversation),
            ],
            [conversation, event.property_id, body, self._bus.settings.dedup_s, *_pairs(context or {})],
        )
        if reply[0] == b"unknown":
            raise UnknownConversation
        if reply[0] == b"ok":
            self._hint(event.property_id, conversation, reply[1], body, reply[2])
        return int(reply[1])

    async def cancel(self, property_id: str, conversation_id: str, turn_id: str) -> str:
        """Cancel a turn: `running`, `queued`, `done` (too late) or `early` (a later accept will be refused)."""
        keys = self._bus.keys(property_id)
        reply = await self._bus.commands.call(
            "cancel",
            [
                keys.conv(conversation_id),
                keys.mail(conversation_id),
                keys.cancels,
                keys.seen(conversation_id, check_id(turn_id, "turn_id")),
                keys.heads,
            ],
            [conversation_id, turn_id, property_id, self._bus.settings.dedup_s],
        )
        outcome: str = reply[0].decode()
        self._bus.observer.cancelled(outcome)
        if outcome == "unknown":
            raise UnknownConversation
        return outcome

    async def read(self, property_id: str, conversation_id: str, after: int = 0, count: int = 1_000) -> Snapshot:
        """Context, and events after a number. `UnknownConversation` when Redis does not hold it for this property."""
        keys, commands = self._bus.keys(property_id), self._bus.commands
        (owner, last), head, context, entries = await asyncio.gather(
            commands.send("HMGET", keys.conv(conversation_id), "p", "n"),
            commands.send("HGET", keys.heads, conversation_id),
            commands.send("HGETALL", keys.context(conversation_id)),
            commands.send("XRANGE", keys.log(conversation_id), f"{after + 1}-0", "+", "COUNT", count),
        )
        if owner is None and head is not None:
            last, _, owner = head.split(b" ")
        if owner is None or owner.decode() != property_id:
            raise UnknownConversation
        return Snapshot(decode_context(context), decode_log(entries), int(last))

    def _hint(self, property_id: str, conversation: str, number: int, body: bytes, gateways: Iterable[bytes]) -> None:
        """Copy an event to the gateways that follow; they also look for themselves, so a lost copy only delays."""
        keys, cap = self._bus.keys(property_id), self._bus.settings.max_chunk_stream
        for gateway in map(bytes.decode, gateways):
            if here := self._bus.local_gateways.get(gateway):
                here(EventCopy(conversation, number, body))
                continue
            stream = keys.chunks(gateway)
            sent = self._bus.commands.send(
                "XADD", stream, "MAXLEN", "~", cap, "*", "c", conversation, "n", number, "b", body
            )
            sent.add_done_callback(_ignore)
            # A gateway that died before its first reply renews nothing: what is written to it must not stay for ever.
            self._bus.commands.send("PEXPIRE", stream, _STREAM_MS, "NX").add_done_callback(_ignore)


def _ignore(sent: asyncio.Future[Any]) -> None:
    """A hint that failed is healed by its reader: only mark the error as seen."""
    if not sent.cancelled():
        sent.exception()


def acceptance(
    bus: Bus, keys: Keys, message: MessageReceived, body: bytes, deadline_ms: int = 0, gateway_id: str = ""
) -> tuple[list[Part], list[Part]]:
    """Keys and arguments with which accept.lua, and replay.lua after it, take in a turn."""
    conversation, turn, settings = message.conversation_id, check_id(message.turn_id, "turn_id"), bus.settings
    return (
        [
            keys.seen(conversation, turn),
            keys.conv(conversation),
            keys.mail(conversation),
            keys.log(conversation),
            keys.events,
            keys.turns,
            keys.subs(conversation),
            keys.heads,
        ],
        [
            conversation,
            turn,
            message.property_id,
            body,
            deadline_ms,
            settings.max_mailbox,
            settings.max_waiting,
            settings.dedup_s,
            gateway_id,
            settings.subscription_ms,
            MAX_EVENT_BYTES,
        ],
    )


def refusal(outcome: str, reply: list[Any]) -> BotelError:
    """The typed error of accept's refusal."""
    match outcome:
        case "busy":
            return ConversationBusy(f"{reply[1]} messages of this conversation wait for an answer")
        case "overload":
            return Overloaded(f"{reply[1]} conversations wait for an answer")
        case "large":
            return TooLarge(f"a message of {reply[1]} bytes, {MAX_EVENT_BYTES} at most")
        case "cancelled":
            return TurnCancelled()
        case _:
            return UnknownConversation()


def _pairs(fields: Mapping[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
