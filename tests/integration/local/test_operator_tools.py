"""`make lag` and `make tail` on a real conversation."""

import asyncio
from collections.abc import AsyncGenerator

from pydantic import SecretStr

from deploy.local.lag import lag_table, watch
from deploy.local.tail import StreamTail
from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from libs.bus.stats import read_stats
from libs.bus.worker import Worker
from libs.contracts.events import Author, Channel, ConversationOpened, MessageReceived


async def answer(turn: Turn) -> AsyncGenerator[str | Done, None]:
    yield "At seven."
    yield Done(model="none")


def settings(redis_url: str) -> BusSettings:
    return BusSettings(redis_url=SecretStr(redis_url))


async def ask(bus: Bus, gateway_id: str = "") -> None:
    conversations = Conversations(bus)
    opened = ConversationOpened(
        id="e0",
        time_ms=1,
        property_id="harbour",
        conversation_id="conv-1",
        author=Author.SYSTEM,
        channel=Channel.SYSTEM,
    )
    asked = MessageReceived(
        id="e1",
        time_ms=2,
        property_id="harbour",
        conversation_id="conv-1",
        turn_id="turn-1",
        author=Author.GUEST,
        channel=Channel.TEXT,
        text="When is breakfast?",
    )
    await conversations.open(opened, {})
    await conversations.accept(asked, gateway_id=gateway_id)


async def test_lag_is_what_waits_and_falls_when_a_brain_comes(redis_url: str) -> None:
    async with Bus(settings(redis_url)) as bus:
        worker = Worker(bus, "brain-1", answer, slots=1)
        await bus.ensure_group(bus.shards[0].turns, "brain")
        await ask(bus)
        waiting = lag_table(await read_stats(bus))[1].split()
        tail = StreamTail(bus)
        await tail.begin()
        await worker.start()
        await _until(tail, "reply.generated")
        await worker.drain(5)
        answered = lag_table(await read_stats(bus))[1].split()

    assert waiting[:4] == ["botel:{0}:turns", "brain", "1", "0"]
    assert answered[2:6] == ["0", "0", "-", "-"]


async def test_a_turn_is_seen_as_it_passes_also_by_a_gateway_that_comes_later(redis_url: str) -> None:
    async with Bus(settings(redis_url)) as bus:
        await bus.commands.send("XADD", bus.shards[0].events, "*", "c", "conv-0", "n", 1, "b", "old")
        tail = StreamTail(bus)
        await tail.begin()
        worker = Worker(bus, "brain-1", answer, slots=1)
        await worker.start()
        async with Feed(bus, "gw-1"):
            await ask(bus, "gw-1")
            seen = await _until(tail, "reply.generated", "chunk  conv-1       turn-1       to gw-1")
        await worker.drain(5)

    kinds = [line.split()[0] for line in seen]
    assert kinds.index("turn") < kinds.index("chunk")
    assert not any("conv-0" in line for line in seen)
    assert any("message.received guest/text" in line for line in seen)


async def test_once_prints_one_table(redis_url: str, capsys: object) -> None:
    await watch(redis_url, every_s=1, once=True)

    told = capsys.readouterr().out  # type: ignore[attr-defined]
    assert told.startswith("stream")
    assert "turns waiting: 0, brains alive: 0, dead letters: 0" in told


async def _until(tail: StreamTail, *parts: str) -> list[str]:
    """Lines up to the one by which every part has been in one."""
    seen: list[str] = []
    async with asyncio.timeout(15):
        async for line in tail.lines():
            seen.append(line)
            if all(any(part in one for one in seen) for part in parts):
                return seen
    raise AssertionError("the tail has ended")
