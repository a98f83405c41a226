"""The gateway process: puts questions on the bus and hears the answers. `python -m benchmarks.gateway REDIS_URL`."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncIterator, Callable

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks import work
from benchmarks.control import serve
from benchmarks.load import OPEN_CONVERSATIONS, Columns, Took, closed, columns, conversations_for, opened
from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.bus.settings import BusSettings
from libs.bus.subscription import Subscription
from libs.contracts.events import Author, Channel, ConversationOpened, MessageReceived
from libs.observability.metrics import BusMetrics
from libs.process import run

_OPEN_AT_ONCE = 50


class Gateway:
    """The commands of this process. Durations are milliseconds."""

    def __init__(self, bus: Bus, feed: Feed, reply: str = work.REPLY) -> None:
        """`reply`: what questions are answered with."""
        self._conversations, self._feed, self._reply = Conversations(bus), feed, reply

    async def closed(self, turns: int, at_once: int) -> Columns:
        async with self._followed(conversations_for(turns, at_once)) as followed:
            started = time.perf_counter()
            return columns(await closed(self._ask, followed, turns, at_once), time.perf_counter() - started)

    async def opened(self, turns: int, per_s: float, seed: int) -> Columns:
        async with self._followed(OPEN_CONVERSATIONS) as followed:
            started = time.perf_counter()
            return columns(await opened(self._ask, followed, turns, per_s, seed), time.perf_counter() - started)

    async def chunks(self, replies: int, tokens: int, step_ms: int) -> Columns:
        """Latency of every token of so many paced replies at once, begun at odd times."""
        late: list[float] = []

        def arrived(piece: Piece) -> None:
            now = time.monotonic_ns()
            late.extend((now - int(stamp)) / 1e6 for stamp in piece.text.split())

        async def listen(one: Subscription) -> None:
            await asyncio.sleep(random.random() * step_ms / 1000)
            await self._hear(one, f"paced {tokens} {step_ms}", arrived)

        async with self._followed(replies) as followed:
            started = time.perf_counter()
            await asyncio.gather(*map(listen, followed))
            return {"late": late, "seconds": [time.perf_counter() - started]}

    async def cancels(self, turns: int, at_once: int, step_ms: int) -> dict[str, int]:
        """When each of so many running replies was cancelled, by turn id, in monotonic nanoseconds."""
        asked: dict[str, int] = {}

        async def interrupt(one: Subscription) -> Took:
            turn = ""

            async def cancel() -> None:
                await asyncio.sleep(random.random() * step_ms / 1000)
                asked[turn] = time.monotonic_ns()
                await self._conversations.cancel(one.property_id, one.conversation_id, turn)

            def begun(piece: Piece) -> None:
                nonlocal turn
                if not turn:
                    turn = piece.turn_id
                    pending.append(asyncio.create_task(cancel()))

            pending: list[asyncio.Task[None]] = []
            took = await self._hear(one, f"endless {step_ms}", begun)
            await asyncio.gather(*pending)
            return took

        async with self._followed(conversations_for(turns, at_once)) as followed:
            await closed(interrupt, followed, turns, at_once)
        return asked

    @contextlib.asynccontextmanager
    async def _followed(self, count: int) -> AsyncIterator[list[Subscription]]:
        """Fresh conversations, followed. Made before the clock starts, closed after it stopped."""
        gate = asyncio.Semaphore(_OPEN_AT_ONCE)

        async def begin() -> Subscription:
            async with gate:
                conversation = new_id("conv")
                await self._conversations.open(_opened(conversation), {"guest_name": "Ms Larsen", "room": "204"})
                return await self._feed.follow(work.PROPERTY, conversation)

        followed = await asyncio.gather(*(begin() for _ in range(count)))
        try:
            yield followed
        finally:
            for one in followed:
                one.close()

    async def _ask(self, one: Subscription) -> Took:
        words: list[str] = []
        took = await self._hear(one, work.QUESTION, lambda piece: words.append(piece.text))
        assert "".join(words) == self._reply, "the reply came otherwise than it was made"
        return took

    async def _hear(self, one: Subscription, text: str, arrived: Callable[[Piece], None]) -> Took:
        asked = work.message(one.conversation_id, text)
        started = time.perf_counter()
        await self._accept(asked)
        first = 0.0
        async for item in one:
            if isinstance(item, Piece) and item.turn_id == asked.turn_id:
                first = first or time.perf_counter()
                arrived(item)
                if item.end:
                    return Took((first - started) * 1000, (time.perf_counter() - started) * 1000)
        raise AssertionError("the subscription ended before the reply")

    async def _accept(self, asked: MessageReceived) -> None:
        await self._conversations.accept(asked, deadline_ms=30_000, gateway_id=self._feed.gateway_id)


def _opened(conversation_id: str) -> ConversationOpened:
    return ConversationOpened(
        id=new_id("event"),
        time_ms=work.now_ms(),
        property_id=work.PROPERTY,
        conversation_id=conversation_id,
        author=Author.SYSTEM,
        channel=Channel.SYSTEM,
    )


async def main(url: str) -> None:
    settings = BusSettings(redis_url=SecretStr(url))
    async with (
        Bus(settings, BusMetrics(CollectorRegistry()), "bench-gateway") as bus,
        Feed(bus, new_id("gateway")) as feed,
    ):
        gateway = Gateway(bus, feed)
        await serve(
            {
                "closed": gateway.closed,
                "opened": gateway.opened,
                "chunks": gateway.chunks,
                "cancels": gateway.cancels,
            }
        )


if __name__ == "__main__":
    run(main(sys.argv[1]))
