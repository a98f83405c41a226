"""Reading a conversation's log: pure decoding of what Redis answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from libs.contracts.codec import decode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import AnyEvent

_log = logging.getLogger(__name__)


def number_of(entry_id: bytes) -> int:
    """The event number of a log id `n-0`."""
    return int(entry_id.partition(b"-")[0])


def decode_log(entries: Iterable[Any]) -> list[AnyEvent]:
    """Events of XRANGE's reply, oldest first. One that does not decode is left out and reported."""
    events: list[AnyEvent] = []
    for entry_id, fields in entries:
        try:
            events.append(decode(fields[1], number_of(entry_id)))
        except MalformedMessage as error:
            _log.warning("event left out", extra={"number": number_of(entry_id), "reason": error.detail})
    return events


def decode_context(reply: Iterable[bytes]) -> dict[str, str]:
    """A hash as HGETALL answers it in RESP2."""
    parts = [part.decode() for part in reply]
    return dict(zip(parts[::2], parts[1::2], strict=True))
