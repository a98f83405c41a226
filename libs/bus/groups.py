"""Consumer groups as operators see and drop them.

A declared group (contracts' EVENT_GROUPS) that is absent stops all trimming and raises an alarm: what it has not read
would be lost. Only an operator may decide that nobody waits for it any more.
"""

from __future__ import annotations

from typing import Any

import msgspec
from redis.exceptions import ResponseError

from libs.bus.bus import Bus
from libs.contracts.errors import BotelError
from libs.contracts.keys import EVENT_GROUPS, TURN_GROUP, Keys


class GroupStillRead(BotelError):
    code = "group-still-read"
    advice = "The group has a reader that was there a moment ago: stop it first, else it makes the group again."


class NoSuchGroup(BotelError):
    code = "no-such-group"
    advice = "No stream has such a group, and none of this name is declared."


class EventGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group on the events stream of one shard."""

    shard: str
    group: str
    declared: bool
    present: bool
    dropped: bool = False
    """An operator said that nobody waits for it."""
    lag: int | None = None
    """Unread entries; None when Redis cannot tell, or the group is absent."""
    pending: int = 0
    idle_ms: int | None = None
    """Since its liveliest reader last asked; None when it has none."""


_LIVELY_MS = 30_000


class EventGroups:
    """Raises `BusUnavailable` when Redis does not answer, else what its methods say."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def all(self) -> list[EventGroup]:
        """Every group that is declared or there, shard by shard."""
        return [group for keys in self._bus.shards for group in await self._of(keys)]

    async def drop(self, name: str) -> list[EventGroup]:
        """Destroy the group in every shard and trim without it from now on; it counts again as soon as it is back.

        Answers what was dropped. `NoSuchGroup`, or `GroupStillRead` when a reader asked within 30 s: nothing was done.
        """
        found = [one for one in await self.all() if one.group == name and (one.declared or one.present)]
        if not found or name == TURN_GROUP:
            raise NoSuchGroup
        if any(one.idle_ms is not None and one.idle_ms < _LIVELY_MS for one in found):
            raise GroupStillRead
        for keys in self._bus.shards:
            await self._destroy(keys, name)
        return found

    async def _destroy(self, keys: Keys, name: str) -> None:
        try:
            await self._bus.commands.send("XGROUP", "DESTROY", keys.events, name)
            if name in EVENT_GROUPS:  # after it: a trim that sees the group forgets that it was dropped
                await self._bus.commands.send("SADD", keys.dropped, name)
            await self._bus.commands.call("trim", [keys.events, keys.dropped], EVENT_GROUPS)
        except ResponseError as error:
            if "requires the key to exist" not in str(error) and "no such key" not in str(error):
                raise

    async def _of(self, keys: Keys) -> list[EventGroup]:
        infos = {one["name"].decode(): one for one in await self._info("GROUPS", keys.events)}
        dropped = {one.decode() for one in await self._bus.commands.send("SMEMBERS", keys.dropped)}
        groups = []
        for name in sorted({*EVENT_GROUPS, *infos}):
            info = infos.get(name)
            readers = await self._info("CONSUMERS", keys.events, name) if info else []
            groups.append(
                EventGroup(
                    shard=keys.prefix,
                    group=name,
                    declared=name in EVENT_GROUPS,
                    present=info is not None,
                    dropped=name in dropped and info is None,
                    lag=info.get("lag") if info else None,
                    pending=info["pending"] if info else 0,
                    idle_ms=min((one["idle"] for one in readers), default=None),
                )
            )
        return groups

    async def _info(self, *about: str) -> list[dict[str, Any]]:
        """XINFO as mappings; nothing when the stream is not there."""
        try:
            replies = await self._bus.commands.send("XINFO", *about)
        except ResponseError:
            return []
        return [{name.decode(): value for name, value in zip(one[::2], one[1::2], strict=True)} for one in replies]
