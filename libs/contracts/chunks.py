"""Pieces of a reply on their way to a gateway. Flat stream fields, because the emit script appends them itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from libs.contracts.errors import MalformedMessage
from libs.contracts.events import ReplyStatus


class Chunk(msgspec.Struct, frozen=True):
    """Text of a running reply. Fields on the stream: c, t, e, o, b, on the last one s, and tp."""

    conversation_id: str
    turn_id: str
    epoch: int
    offset: int
    """Where `text` begins in the reply, in UTF-8 bytes."""
    text: str
    end: ReplyStatus | None = None
    """Set on the last chunk of a turn."""
    trace: str = ""
    """W3C traceparent of the run that wrote it."""


class EventCopy(msgspec.Struct, frozen=True):
    """A hint that the log of a conversation has grown. Fields on the stream: c, n and b (the encoded event)."""

    conversation_id: str
    number: int
    body: bytes


def decode_chunk(fields: Mapping[bytes, bytes]) -> Chunk | EventCopy:
    """Decode one entry of a chunk stream; `MalformedMessage` names what is wrong."""
    try:
        if b"n" in fields:
            return EventCopy(fields[b"c"].decode(), int(fields[b"n"]), fields[b"b"])
        end = fields.get(b"s")
        return Chunk(
            conversation_id=fields[b"c"].decode(),
            turn_id=fields[b"t"].decode(),
            epoch=int(fields[b"e"]),
            offset=int(fields[b"o"]),
            text=fields[b"b"].decode(),
            end=ReplyStatus(end.decode()) if end else None,
            trace=fields.get(b"tp", b"").decode(),
        )
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"chunk entry: {type(error).__name__}: {error}") from error
