"""Three cluster nodes, six shards: the same promises on every shard, also while a slot moves or a node's readers go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from libs.bus.bus import Bus
from libs.bus.calls import Calls
from libs.bus.conversations import Conversations
from libs.bus.events import EventConsumer, Record
from libs.bus.feed import Feed
from libs.bus.handler import Handler
from libs.bus.router import ShardedCommands, slot_of
from libs.bus.settings import BusSettings
from libs.bus.stats import read_stats
from libs.bus.worker import Worker
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import MessageReceived, ReplyStatus
from libs.contracts.keys import STORE_GROUP, shard_of
from tests.bus.support.conversation import message, opened
from tests.bus.support.handlers import Halting, Led, echo
from tests.bus.support.listening import Listener
from tests.bus.support.phones import seeing, ticket
from tests.bus.support.stage import FAST, kill, silence
from tests.bus.support.waiting import eventually, soon
from tests.servers.cluster import ClusterRedis, running_cluster

SHARDS = 6
WITHIN_S = 30.0


def _property_of(shard: int) -> str:
    return next(name for name in (f"hotel{n}" for n in range(1_000)) if shard_of(name, SHARDS) == shard)


PROPERTIES = [_property_of(shard) for shard in range(SHARDS)]
"""One of every shard."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterRedis]:
    with running_cluster(durable=True) as made:
        yield made


class Hotels:
    """Brains, a gateway and a conversation in every property."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._workers: list[Worker] = []
        self._open: list[Any] = []
        self.listeners: dict[str, Listener] = {}
        self.bus: Bus
        self.conversations: Conversations

    async def __aenter__(self) -> Hotels:
        self.bus = await self.new_bus("stage")
        self.conversations = Conversations(self.bus)
        return self

    async def __aexit__(self, *_: object) -> None:
        for listener in self.listeners.values():
            await listener.close()
        for worker in self._workers:
            await silence(worker)
        for one in reversed(self._open):
            await one.__aexit__(None, None, None)

    async def new_bus(self, name: str) -> Bus:
        settings = {**FAST, "command_timeout_ms": 10_000}
        bus = Bus(BusSettings(redis_url=self._url, shards=SHARDS, **settings), name=name)
        await self._enter(bus)
        return bus

    async def worker(self, name: str, handler: Handler) -> Worker:
        worker = Worker(await self.new_bus(name), name, handler, slots=2 * SHARDS)
        self._workers.append(worker)
        await worker.start()
        await eventually(lambda: worker.healthy)
        return worker

    async def follow_all(self, run: str) -> None:
        """Open and follow a conversation in every property."""
        feed = await self._enter(Feed(await self.new_bus(f"gw-{run}"), f"gw-{run}"))
        for property_id in PROPERTIES:
            name = f"{run}-{property_id}"
            await self.conversations.open(opened(name, property_id), {"property_id": property_id})
            self.listeners[property_id] = Listener(await feed.follow(property_id, name))

    async def accept(self, property_id: str, run: str, turn: str, text: str) -> None:
        await self.conversations.accept(message(f"{run}-{property_id}", f"{property_id}.{turn}", text, property_id))

    async def gapless(self, property_id: str, run: str) -> list[str]:
        """Turn ids of the conversation's log, whose numbers have no gap, in order."""
        events = (await self.conversations.read(property_id, f"{run}-{property_id}")).events
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        return [event.turn_id for event in events if isinstance(event, MessageReceived)]

    async def _enter(self, manager: Any) -> Any:
        self._open.append(manager)
        return await manager.__aenter__()


@pytest.fixture
async def hotels(cluster: ClusterRedis) -> AsyncIterator[Hotels]:
    async with Hotels(cluster.url) as made:
        yield made


async def test_turns_of_all_shards_are_answered_in_order(hotels: Hotels, cluster: ClusterRedis) -> None:
    assert len({cluster.node_of(slot_of(keys)).port for keys in hotels.bus.shards}) == 3, "shards are on every node"
    await hotels.worker("order-w", echo)
    await hotels.follow_all("order")
    turns = [f"t{number}" for number in range(5)]
    for turn in turns:
        await asyncio.gather(*(hotels.accept(one, "order", turn, f"{one} says {turn}") for one in PROPERTIES))
    for one in PROPERTIES:
        for turn in turns:
            assert (await hotels.listeners[one].reply(f"{one}.{turn}")).text == f"{one} says {turn}"
        assert await hotels.gapless(one, "order") == [f"{one}.{turn}" for turn in turns]
    stats = await read_stats(hotels.bus)
    assert [(one.workers_alive, one.groups[0].lag) for one in stats] == [(1, 0)] * SHARDS


async def test_a_brain_dies_and_another_goes_on_in_every_shard(hotels: Hotels) -> None:
    brain = Halting()
    first = await hotels.worker("failover-w1", brain)
    await hotels.follow_all("failover")
    text = "said by the first brain and by the second"
    for one in PROPERTIES:
        await hotels.accept(one, "failover", "t1", text)
        await hotels.listeners[one].said(f"{one}.t1", Halting.half(text))
    await hotels.worker("failover-w2", brain)
    await kill(first)
    brain.go.set()
    for one in PROPERTIES:
        reply = await hotels.listeners[one].reply(f"{one}.t1")
        assert (reply.text, reply.status) == (text, ReplyStatus.FINISHED)


async def test_a_cancel_reaches_the_brain_in_every_shard(hotels: Hotels) -> None:
    led = Led()
    await hotels.worker("cancel-w", led)
    await hotels.follow_all("cancel")
    for one in PROPERTIES:
        await hotels.accept(one, "cancel", "t1", "tell me all")
        led.say(f"{one}.t1", "All of it ")
        await hotels.listeners[one].said(f"{one}.t1", "All of it ")
        assert await hotels.conversations.cancel(one, f"cancel-{one}", f"{one}.t1") == "running"
        assert (await hotels.listeners[one].reply(f"{one}.t1")).status is ReplyStatus.CANCELLED


async def test_the_store_reads_all_shards_and_dead_letters_are_kept(hotels: Hotels) -> None:
    kept: set[tuple[str, int]] = set()

    async def keep(records: Sequence[Record]) -> None:
        kept.update((record.conversation_id, record.number) for record in records)

    consumer = asyncio.create_task(EventConsumer(await hotels.new_bus("store"), STORE_GROUP, "store-1", keep).run())
    try:
        await hotels.worker("store-w", echo)
        await hotels.follow_all("store")
        for one in PROPERTIES:
            await hotels.accept(one, "store", "t1", "keep this")
            await hotels.listeners[one].reply(f"{one}.t1")
            keys = hotels.bus.keys(one)
            await hotels.bus.commands.send("XADD", keys.turns, "*", "nobody", "knows")
            await eventually(lambda keys=keys: hotels.bus.commands.send("XLEN", keys.dead))  # type: ignore[misc]
        expected = {(f"store-{one}", number) for one in PROPERTIES for number in (1, 2, 3)}
        await eventually(lambda: expected <= kept)
    finally:
        consumer.cancel()


async def test_readers_of_one_node_are_cut_off_and_come_back(hotels: Hotels, cluster: ClusterRedis) -> None:
    await hotels.worker("cut-w", echo)
    await hotels.follow_all("cut")
    for turn in range(3):
        for node in cluster.nodes:
            node.ask("CLIENT KILL TYPE normal")
        for one in PROPERTIES:
            await soon(hotels.accept(one, "cut", f"t{turn}", "again"), WITHIN_S)
        for one in PROPERTIES:
            assert (await hotels.listeners[one].reply(f"{one}.t{turn}")).text == "again"


async def test_a_slot_that_moves_under_a_reply_takes_it_along(hotels: Hotels, cluster: ClusterRedis) -> None:
    """MOVED to the command connection and to every blocked reader: all of them go to the new node, in order."""
    brain = Halting()
    await hotels.worker("move-w1", brain)
    await hotels.worker("move-w2", brain)
    await hotels.follow_all("move")
    text = "said on the old node and said on the new node"
    for one in PROPERTIES:
        await hotels.accept(one, "move", "t1", text)
        await hotels.listeners[one].said(f"{one}.t1", Halting.half(text))
    for keys in hotels.bus.shards[:3]:
        await asyncio.to_thread(cluster.move_slot, slot_of(keys))
    brain.go.set()
    for one in PROPERTIES:
        await hotels.listeners[one].until(lambda it, one=one: f"{one}.t1" in it.replies, WITHIN_S)  # type: ignore[misc]
        assert (await hotels.listeners[one].reply(f"{one}.t1")).text == text
        await soon(hotels.accept(one, "move", "t2", "and on"), WITHIN_S)
        assert (await hotels.listeners[one].reply(f"{one}.t2")).text == "and on"
        assert await hotels.gapless(one, "move") == [f"{one}.t1", f"{one}.t2"]


async def test_a_node_is_killed_and_comes_back_under_a_reply(hotels: Hotels, cluster: ClusterRedis) -> None:
    """Its shards wait, first for the node and then for a cluster that is whole again; the others lose nothing."""
    brain = Halting()
    await hotels.worker("dead-w1", brain)
    await hotels.worker("dead-w2", brain)
    await hotels.follow_all("dead")
    text = "said before the node was killed and said after"
    for one in PROPERTIES:
        await hotels.accept(one, "dead", "t1", text)
        await hotels.listeners[one].said(f"{one}.t1", Halting.half(text))
    await asyncio.to_thread(cluster.nodes[0].stop)
    brain.go.set()
    await asyncio.to_thread(cluster.nodes[0].start)
    for one in PROPERTIES:
        await hotels.listeners[one].until(lambda it, one=one: f"{one}.t1" in it.replies, WITHIN_S)  # type: ignore[misc]
        assert (await hotels.listeners[one].reply(f"{one}.t1")).text == text
        assert await hotels.gapless(one, "dead") == [f"{one}.t1"]


async def test_a_slot_that_is_half_moved_is_waited_for(hotels: Hotels, cluster: ClusterRedis) -> None:
    """ASK and TRYAGAIN: nothing is executed until all keys of the shard are in one place; then everything is."""
    one = PROPERTIES[-1]
    await hotels.follow_all("half")
    keys = hotels.bus.keys(one)
    half = await asyncio.to_thread(cluster.begin_move, slot_of(keys))
    waiting = asyncio.ensure_future(hotels.accept(one, "half", "t1", "patience"))
    refused = BusSettings(redis_url=cluster.url, shards=SHARDS, command_timeout_ms=300)
    async with Bus(refused) as impatient:
        with pytest.raises(BusUnavailable):
            await soon(Conversations(impatient).accept(message(f"half-{one}", f"{one}.t1", "patience", one)))
    assert not waiting.done()
    await asyncio.to_thread(half.finish)
    await soon(waiting, WITHIN_S)
    assert await hotels.gapless(one, "half") == [f"{one}.t1"], "tried twice with one id, taken once"


async def test_calls_of_all_shards_are_looked_after(hotels: Hotels) -> None:
    calls = seeing(Calls(hotels.bus))
    for one in PROPERTIES:
        assert await calls.take(ticket(f"call-{one}", one), "job-1") == 1
    assert (await calls.count()).answered == SHARDS
    for one in PROPERTIES:
        assert await calls.leave(ticket(f"call-{one}", one), "job-1", 1)
    assert {one.ticket.property_id for one in await calls.overdue()} == set(PROPERTIES)
    for one in PROPERTIES:
        assert await calls.take(ticket(f"call-{one}", one, takeover=1), "job-2") == 2
        assert await calls.end(ticket(f"call-{one}", one), "job-2", 2)


async def test_a_command_that_names_no_shard_is_refused(hotels: Hotels) -> None:
    assert isinstance(hotels.bus.commands, ShardedCommands)
    with pytest.raises(ValueError, match="names no key"):
        hotels.bus.commands.send("GET", "somewhere")
    await hotels.bus.ping()
