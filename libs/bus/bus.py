"""The bus of one process: its command connection, its shards, and readers on demand.

With a cluster each shard has a command connection of its own, to its node; else one connection serves all.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from types import TracebackType

from redis.exceptions import ResponseError

from libs.bus.commands import Commands
from libs.bus.deployment import Shape, parse_deployment
from libs.bus.observer import NullObserver, Observer
from libs.bus.reader import Reader
from libs.bus.router import ShardedCommands, shard_of_key, slot_of
from libs.bus.scripts import load_scripts
from libs.bus.servers import find_server
from libs.bus.settings import BusSettings
from libs.bus.tracing import NullTracer, Tracer
from libs.contracts.chunks import EventCopy
from libs.contracts.errors import BusUnavailable
from libs.contracts.keys import Keys, shard_of

_MOST_COUNTED = 2_000
"""Entries that a recount looks at."""


def new_id(kind: str) -> str:
    """A fresh id such as `turn-5f0c...`."""
    return f"{kind}-{uuid.uuid4().hex}"


class Bus:
    """Use as `async with Bus(settings) as bus`. Starts without Redis too: commands then fail with `BusUnavailable`."""

    def __init__(
        self,
        settings: BusSettings,
        observer: Observer | None = None,
        name: str = "process",
        tracer: Tracer | None = None,
    ) -> None:
        self.settings = settings
        self.observer: Observer = observer or NullObserver()
        self.tracer: Tracer = tracer or NullTracer()
        self.name = name
        self.shards = tuple(Keys(shard) for shard in range(settings.shards))
        self.local_gateways: dict[str, Callable[[EventCopy], None]] = {}
        """Feeds of this process, by gateway id: copies of events that it writes itself need not go through Redis."""
        cluster = parse_deployment(settings.redis_url.get_secret_value()).shape is Shape.CLUSTER
        self._servers = [find_server(settings, slot_of(keys)) for keys in (self.shards if cluster else self.shards[:1])]
        made = [Commands(settings, self.observer, load_scripts(), name, server) for server in self._servers]
        self.commands: Commands | ShardedCommands = ShardedCommands(made) if cluster else made[0]

    def keys(self, property_id: str) -> Keys:
        """The key names of the property's shard."""
        return self.shards[shard_of(property_id, len(self.shards))]

    def at(self, keys: Keys) -> Commands:
        """The command connection of one shard: for commands that name no key, such as TIME."""
        if isinstance(self.commands, ShardedCommands):
            return self.commands.shards[shard_of_key(keys.prefix)]
        return self.commands

    def reader(self, purpose: str, keys: Keys | None = None) -> Reader:
        """A connection for blocking reads of one shard; without keys of the first, which has all without a cluster."""
        server = self._servers[shard_of_key(keys.prefix) if keys and len(self._servers) > 1 else 0]
        return Reader(self.settings, self.observer, f"{self.name}-{purpose}", server)

    async def ensure_group(self, stream: str, group: str) -> None:
        """Make a consumer group that begins at the stream's first entry; the stream too, if it is not there."""
        try:
            await self.commands.send("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def recount(self, stream: str, group: str) -> None:
        """Set the group's lag right after a connection was made: a restarted Redis may be wrong about it."""
        with contextlib.suppress(BusUnavailable, ResponseError):  # the stream is not there yet, or not any more
            await self.commands.call("recount", [stream], [group, _MOST_COUNTED])

    async def ping(self) -> None:
        """`BusUnavailable` when Redis, or the node of some shard, does not answer; `BusDenied` when it answers and has
        refused us a right a moment ago."""
        await asyncio.gather(*(self.at(keys).send("PING") for keys in self.shards))
        if error := self.commands.lacks:
            raise error

    async def start(self) -> None:
        await self.commands.start()

    async def close(self) -> None:
        await self.commands.close()

    async def __aenter__(self) -> Bus:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
