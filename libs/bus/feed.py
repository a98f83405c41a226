"""What a gateway process hears from the bus: one multiplexed reader, however many conversations it follows.

Events come in log order without a gap, replies as text in order; a lost hint, a stale epoch or a hole is healed from
log and draft. A subscription has a resume point: the last event number that its reader has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from functools import partial
from types import TracebackType
from typing import Any

from libs.bus.bus import Bus
from libs.bus.link import LinkDown
from libs.bus.loops import Loop
from libs.bus.reader import Entry, Reader, resume_point
from libs.bus.subscription import Subscription
from libs.contracts.chunks import Chunk, EventCopy, decode_chunk
from libs.contracts.errors import BusUnavailable, MalformedMessage
from libs.contracts.keys import Keys

_STREAM_MS = 3_600_000
_log = logging.getLogger(__name__)


class Feed:
    """Use as `async with Feed(bus, gateway_id)`; `gateway_id` must be new for every process."""

    def __init__(self, bus: Bus, gateway_id: str) -> None:
        self.gateway_id = gateway_id
        self._bus = bus
        self._followers: dict[str, set[Subscription]] = defaultdict(set)
        self._loops: list[asyncio.Task[None]] = []
        self._persistent: list[Loop] = []
        self._after = {keys.chunks(gateway_id): "0-0" for keys in bus.shards}
        self._turn = 0
        self._verified = 0
        """Connects when all followers were last verified; kept, with the turn, when the poll begins again."""

    @property
    def healthy(self) -> bool:
        """Whether it hears the bus: no loop of it fails again and again."""
        return bool(self._loops) and all(loop.healthy for loop in self._persistent)

    async def follow(self, property_id: str, conversation_id: str, *, after: int | None = None) -> Subscription:
        """Follow a conversation from after an event number; None: from now on, the running reply included.

        Raises `UnknownConversation`. Close the subscription, or use it as an async context manager.
        """
        subscription = Subscription(self._bus, property_id, conversation_id, self.gateway_id, self._forget)
        self._followers[conversation_id].add(subscription)
        try:
            await subscription.begin(after)
        except BaseException:
            self._forget(subscription)
            raise
        return subscription

    def _forget(self, subscription: Subscription) -> None:
        followers = self._followers.get(subscription.conversation_id)
        if followers:
            followers.discard(subscription)
            if not followers:
                del self._followers[subscription.conversation_id]

    async def _read(self, keys: Keys) -> None:
        reader = self._bus.reader("feed", keys)
        try:
            stream = keys.chunks(self.gateway_id)
            while True:
                if not reader.connected:
                    await reader.connect()
                    with contextlib.suppress(BusUnavailable):  # then the poll heals what is missed
                        self._after[stream] = await resume_point(self._bus.at(keys), stream, self._after[stream])
                await self._read_once(reader, stream)
        finally:
            await reader.close()

    async def _read_once(self, reader: Reader, stream: str) -> None:
        with contextlib.suppress(LinkDown):
            for entry in await reader.read({stream: self._after[stream]}, 512):
                self._after[stream] = entry.id
                self._dispatch(entry)
            await asyncio.sleep(0)  # who waits for these goes on before more is asked for

    def _dispatch(self, entry: Entry) -> None:
        try:
            item = decode_chunk(entry.fields)
        except MalformedMessage as error:
            _log.warning("chunk left out", extra={"entry": entry.id, "reason": error.detail})
            return
        self._deliver(item)

    def _deliver(self, item: Chunk | EventCopy) -> None:
        for subscription in tuple(self._followers.get(item.conversation_id, ())):
            subscription.push(item)

    async def _poll(self) -> None:
        """Renew subscriptions, and look for events whose hint was lost."""
        settings = self._bus.settings
        rounds = max(1, settings.subscription_ms // 3 // settings.poll_ms)
        while True:
            await asyncio.sleep(settings.poll_ms / 1000)
            self._turn += 1
            followers = [one for group in self._followers.values() for one in group]
            connects = self._connects()
            look = {"renew": self._turn % rounds == 0, "verify": connects != self._verified}
            checks = (one.check(**look) for one in followers)
            answers = await asyncio.gather(*checks, *self._keep_streams(), return_exceptions=True)
            away = [one for one in answers if isinstance(one, BusUnavailable)]
            if away:
                _log.warning("poll left out", extra={"reason": away[0].detail})
            else:
                self._verified = connects
            for error in answers:
                if isinstance(error, Exception) and not isinstance(error, BusUnavailable):
                    raise error

    def _connects(self) -> int:
        """Changes when a connection was made again: another server may serve, or one that lost its last writes."""
        return sum(self._bus.at(keys).connects for keys in self._bus.shards)

    def _keep_streams(self) -> list[asyncio.Future[Any]]:
        """The last commit for a gateway that is gone lets its stream run out: not ours."""
        return [self._bus.commands.send("PEXPIRE", stream, _STREAM_MS) for stream in self._after]

    async def __aenter__(self) -> Feed:
        self._bus.local_gateways[self.gateway_id] = self._deliver
        self._persistent = [Loop(partial(self._read, keys), f"feed {keys.prefix}") for keys in self._bus.shards]
        self._persistent.append(Loop(self._poll, "feed poll"))
        self._verified = self._connects()
        self._loops = [asyncio.create_task(loop.run(), name=loop.name) for loop in self._persistent]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bus.local_gateways.pop(self.gateway_id, None)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for group in list(self._followers.values()):
            for subscription in list(group):
                subscription.close()
        with contextlib.suppress(BusUnavailable):
            for keys in self._bus.shards:
                await self._bus.commands.send("DEL", keys.chunks(self.gateway_id))
