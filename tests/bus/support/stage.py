"""A stage for one test: buses, workers, feeds and listeners with short times, all gone at its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from libs.bus.bus import Bus
from libs.bus.conversations import Accepted, Conversations
from libs.bus.feed import Feed
from libs.bus.handler import Handler
from libs.bus.observer import Observer
from libs.bus.settings import BusSettings
from libs.bus.tracing import Tracer
from libs.bus.worker import Worker
from libs.contracts.events import AnyEvent
from libs.contracts.keys import Keys
from tests.bus.support.conversation import PROPERTY, message, opened
from tests.bus.support.listening import Listener
from tests.bus.support.waiting import eventually
from tests.servers.users import HARNESS

FAST: dict[str, Any] = {
    "command_timeout_ms": 4_000,
    "block_ms": 200,
    "lease_ms": 60_000,
    "beat_ms": 50,
    "reap_ms": 40,
    "unclaimed_ms": 250,
    "poll_ms": 100,
}
"""Leases are long: while a machine stalls, short ones lapse, and a run ends that a test holds. Whoever dies here dies
by `kill`, which lets the lease run out."""
LAPSING: dict[str, Any] = {"lease_ms": 300}
"""For tests in which leases run out by themselves."""
PATIENT: dict[str, Any] = {"lease_ms": 60_000, "unclaimed_ms": 60_000, "poll_ms": 60_000, "subscription_ms": 300_000}
"""Nothing heals or is handed over by the passing of time: what arrives came the direct way."""


class Stage:
    """Use as `async with Stage(redis_url) as stage`. Every worker and feed has a bus of its own, as processes do."""

    def __init__(self, url: str | Callable[[str], str], tracer: Tracer | None = None, /, **settings: Any) -> None:
        """`url`: one for all, or that of a user of Redis by name: brains, gateways and the stage enter as such."""
        self._settings, self._tracer = {**FAST, **settings}, tracer
        self._url = url
        self._stack = contextlib.AsyncExitStack()
        self._workers: list[Worker] = []
        self._listeners: list[Listener] = []
        self.keys = Keys()
        self.bus: Bus
        self.conversations: Conversations

    async def __aenter__(self) -> Stage:
        self.bus = await self.new_bus("stage", user=HARNESS)
        # With one URL for all, what the stage writes and reads goes over one connection: faults are aimed at that.
        shared = isinstance(self._url, str)
        self.conversations = Conversations(self.bus if shared else await self.new_bus("door", user="text_gateway"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for listener in self._listeners:
            await listener.close()
        for worker in self._workers:
            await silence(worker)
        await self._stack.aclose()

    async def new_bus(
        self, name: str, observer: Observer | None = None, *, user: str = "text_gateway", **settings: Any
    ) -> Bus:
        made = BusSettings(
            redis_url=self._url if isinstance(self._url, str) else self._url(user), **{**self._settings, **settings}
        )
        return await self._stack.enter_async_context(Bus(made, observer, name, self._tracer))

    async def worker(
        self, name: str, handler: Handler, *, slots: int = 4, observer: Observer | None = None, **settings: Any
    ) -> Worker:
        """A brain that has begun to read and holds its lease."""
        worker = Worker(await self.new_bus(name, observer, user="brain", **settings), name, handler, slots=slots)
        self._workers.append(worker)
        await worker.start()
        await eventually(lambda: worker.healthy)
        return worker

    async def feed(self, name: str = "g1", observer: Observer | None = None, **settings: Any) -> Feed:
        return await self._stack.enter_async_context(Feed(await self.new_bus(name, observer, **settings), name))

    async def listen(
        self, feed: Feed, conversation: str, *, after: int | None = None, may_go_back: bool = False
    ) -> Listener:
        followed = await feed.follow(PROPERTY, conversation, after=after)
        listener = Listener(followed, after, may_go_back=may_go_back)
        self._listeners.append(listener)
        return listener

    async def open(self, *conversations: str) -> None:
        for conversation in conversations:
            await self.conversations.open(opened(conversation), {"property_id": PROPERTY})

    async def accept(self, conversation: str, turn: str, text: str = "hello", **options: Any) -> Accepted:
        return await self.conversations.accept(message(conversation, turn, text), **options)

    async def cancel(self, conversation: str, turn: str) -> str:
        return await self.conversations.cancel(PROPERTY, conversation, turn)

    async def send(self, *parts: str | int | bytes) -> Any:
        """A plain Redis command."""
        return await self.bus.commands.send(*parts)

    async def pending(self) -> int:
        """Entries of turns that are read and not acked."""
        summary = await self.send("XPENDING", self.keys.turns, "brain")
        return int(summary[0])

    async def field(self, conversation: str, name: str) -> str:
        """A field of the conversation's hash."""
        value = await self.send("HGET", self.keys.conv(conversation), name)
        return value.decode() if value else ""

    async def dead_letters(self) -> list[dict[str, str]]:
        entries = await self.send("XRANGE", self.keys.dead, "-", "+")
        return [
            {name.decode(): value.decode(errors="replace") for name, value in zip(f[::2], f[1::2], strict=True)}
            for _, f in entries
        ]

    async def history(self, conversation: str) -> list[AnyEvent]:
        """The conversation's log, whose numbers have no gap."""
        events = (await self.conversations.read(PROPERTY, conversation)).events
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        return events

    async def at_rest(self, *conversations: str) -> None:
        """Until every named conversation is idle and no entry is pending."""

        async def resting() -> bool:
            states = [await self.field(one, "st") for one in conversations]
            return set(states) == {"idle"} and await self.pending() == 0

        await eventually(resting)


async def kill(worker: Worker) -> None:
    """As kill -9 would, and some time later: nothing is handed over, nothing is said, the lease has run out."""
    await silence(worker)
    await let_lapse(worker)


async def silence(worker: Worker) -> None:
    """As kill -9 would: the lease lapses by itself."""
    tasks = [*worker._loops, *worker._answers]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def let_lapse(worker: Worker) -> None:
    """Its lease ran out long ago. On its own connection: after a beat that may be under way."""
    for keys in worker._bus.shards:
        await worker._bus.at(keys).send("ZADD", keys.leases, 1, worker._worker)


async def stop_beating(worker: Worker) -> None:
    """Its lease is not renewed any more, and it does not know."""
    await _cancel_loops(worker, lambda name: name.startswith("beat "))


async def make_zombie(worker: Worker) -> None:
    """Its lease has run out, it hears of nothing, and what it runs goes on."""
    await _cancel_loops(worker, lambda name: True)
    await let_lapse(worker)


async def stop_hearing_cancels(worker: Worker) -> None:
    """Without the fast path only the durable flag tells it."""
    await _cancel_loops(worker, lambda name: name.startswith("cancels "))


async def _cancel_loops(worker: Worker, chosen: Callable[[str], bool]) -> None:
    tasks = [loop for loop in worker._loops if chosen(loop.get_name())]
    assert tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
