"""The one encoder and the one decoder of events. JSON, so that an operator can read a stream with redis-cli."""

from __future__ import annotations

import msgspec

from libs.contracts.errors import FutureVersion, InvalidRequest, MalformedMessage, TooLarge
from libs.contracts.events import VERSION, AnyEvent, Event
from libs.contracts.limits import MAX_EVENT_BYTES


class _Header(msgspec.Struct):
    type: str = ""
    v: int = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)
_header = msgspec.json.Decoder(_Header)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_TYPES = frozenset(member.__struct_config__.tag for member in AnyEvent.__args__)


def encode(event: Event) -> bytes:
    """The event's body as it is stored. `TooLarge` past MAX_EVENT_BYTES, `InvalidRequest` for broken Unicode."""
    try:
        body = _encoder.encode(event)
    except UnicodeEncodeError as error:  # half of a surrogate pair, which JSON can smuggle in
        raise InvalidRequest("text that is not valid Unicode") from error
    if len(body) > MAX_EVENT_BYTES:
        raise TooLarge(f"event of {len(body)} bytes, {MAX_EVENT_BYTES} at most")
    return body


def decode(body: bytes, number: int = 0) -> AnyEvent:
    """The event of a stored body, with its log number.

    Raises `FutureVersion` for a body that a newer release wrote, `MalformedMessage` for anything else that does not
    decode.
    """
    try:
        event: AnyEvent = _decoder.decode(body)
    except _UNREADABLE as error:
        raise _explain(body, error) from error
    if event.v > VERSION:
        raise FutureVersion(f"version {event.v}, this release reads up to {VERSION}")
    numbered: AnyEvent = msgspec.structs.replace(event, number=number) if number else event
    return numbered


def _explain(body: bytes, error: Exception) -> MalformedMessage:
    try:
        header = _header.decode(body)
    except _UNREADABLE:
        return MalformedMessage(f"not an event: {error}")
    if header.v > VERSION or (header.type and header.type not in _TYPES):
        return FutureVersion(f"type {header.type!r} version {header.v}, this release reads up to {VERSION}")
    return MalformedMessage(f"event {header.type!r}: {error}")
