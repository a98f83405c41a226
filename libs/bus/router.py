"""Redis Cluster: every shard has a node of its own, and an ordered command connection to it. Same calls as `Commands`.

Commands of one shard keep their order; those of different shards never had one. Without a cluster nothing of this runs.
"""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Sequence
from typing import Any

from libs.bus.commands import Commands
from libs.bus.link import Part
from libs.contracts.errors import BusDenied
from libs.contracts.keys import Keys

_SLOTS = 16_384
_TAG = "botel:{"
_KEYLESS = {"PING", "TIME", "SCRIPT", "CLIENT", "CONFIG", "INFO", "FLUSHALL"}


def slot_of(keys: Keys) -> int:
    """The cluster slot of a shard: all its keys bear one hash tag."""
    return binascii.crc_hqx(keys.prefix[len(_TAG) : keys.prefix.index("}")].encode(), 0) % _SLOTS


class ShardedCommands:
    """Picks the shard's connection by the hash tag of the first key."""

    def __init__(self, shards: Sequence[Commands]) -> None:
        self.shards = shards

    @property
    def connected(self) -> bool:
        return all(one.connected for one in self.shards)

    @property
    def lacks(self) -> BusDenied | None:
        """See `Commands.lacks`."""
        return next((error for one in self.shards if (error := one.lacks)), None)

    async def start(self) -> None:
        """See `Commands.start`."""
        await asyncio.gather(*(one.start() for one in self.shards))

    async def close(self) -> None:
        """See `Commands.close`."""
        await asyncio.gather(*(one.close() for one in self.shards))

    def call(self, script: str, keys: Sequence[Part], args: Sequence[Part]) -> asyncio.Future[Any]:
        """See `Commands.call`."""
        return self.shards[shard_of_key(keys[0])].call(script, keys, args)

    def send(self, *parts: Part) -> asyncio.Future[Any]:
        """See `Commands.send`. A command without a key goes to the first shard: take `Bus.at` for another."""
        key = next((part for part in parts[1:] if isinstance(part, str) and part.startswith(_TAG)), None)
        if key is None and parts[0] not in _KEYLESS:
            raise ValueError(f"{parts[0]!r} names no key of a shard")
        return self.shards[shard_of_key(key) if key else 0].send(*parts)


def shard_of_key(key: Part) -> int:
    """The shard that a key names."""
    assert isinstance(key, str)
    return int(key[len(_TAG) : key.index("}")])
