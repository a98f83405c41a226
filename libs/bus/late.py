"""Telling a gateway that began to follow in the middle of a reply that it has missed words."""

from __future__ import annotations

from collections.abc import Iterable

from libs.bus.bus import Bus
from libs.contracts.keys import Keys
from libs.contracts.turns import Grant


def tell_late(bus: Bus, keys: Keys, grant: Grant, gateways: Iterable[str], offset: int, trace: str) -> None:
    """Words up to `offset` were emitted before the brain knew these gateways: each sees a hole, and heals.

    Not awaited: who does not hear of it sees the hole at the next words.
    """
    chunk = ("c", grant.conversation_id, "t", grant.item.turn_id, "e", grant.epoch, "o", offset, "b", "", "tp", trace)
    for gateway in gateways:
        limit = ("MAXLEN", "~", bus.settings.max_chunk_stream)
        sent = bus.commands.send("XADD", keys.chunks(gateway), *limit, "*", *chunk)
        sent.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
