"""Brains as processes of their own on a real Redis, and a guest at the other end of the bus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from deploy.local.ports import free_port
from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.pieces import Piece
from libs.bus.settings import BusSettings
from libs.bus.subscription import Subscription
from libs.contracts.events import (
    AnyEvent,
    Author,
    Channel,
    ConversationOpened,
    MessageReceived,
    ReplyGenerated,
    ToolCompleted,
    ToolRequested,
)
from tests.eventually import eventually

ROOT = Path(__file__).parents[3]


@dataclass
class Brain:
    process: asyncio.subprocess.Process
    port: int
    log: Path
    """Its standard error."""

    async def ask(self, path: str) -> str:
        """Body of a page of its health server; '' while it does not answer well."""
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.port}{path}")
            except httpx.HTTPError:
                return ""
        return answer.text if answer.status_code == 200 else ""

    async def ready(self) -> bool:
        """Fails with the end of its log when it has ended."""
        assert self.process.returncode is None, f"the brain has ended: {self.log.read_text()[-2_000:]}"
        return bool(await self.ask("/readyz"))

    async def busy(self) -> bool:
        return "botel_turns_in_flight 1.0" in await self.ask("/metrics")

    def pause(self) -> None:
        """SIGSTOP: it does nothing, notices nothing, and believes in all that it believed in."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def idle(self) -> bool:
        return "botel_turns_in_flight 0.0" in await self.ask("/metrics")

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 120)


async def start_brain(redis_url: str, hotel: Path, **env: str) -> Brain:
    """A brain's process; not ready yet."""
    port = free_port()
    given = {
        "REDIS_URL": redis_url,
        "BOTEL_HOTEL_PATH": str(hotel),
        "BOTEL_HEALTH_PORT": str(port),
        "BOTEL_LOG_FORMAT": "json",
    }
    log = hotel.with_name(f"brain-{port}.log")
    with log.open("wb") as stderr:  # not a pipe: nobody reads it, and a brain that writes to a full one stands still
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.brain"), cwd=ROOT, env={**os.environ, **given, **env}, stderr=stderr
        )
    return Brain(process, port, log)


@contextlib.asynccontextmanager
async def running_brains(count: int, redis_url: str, hotel: Path, **env: str) -> AsyncIterator[list[Brain]]:
    """So many brains, ready."""
    brains = [await start_brain(redis_url, hotel, **env)]
    try:
        # The first makes the hotel's file: who comes while it does may find it locked, and here nobody starts it again.
        await eventually(brains[0].ready, within_s=120)
        brains += [await start_brain(redis_url, hotel, **env) for _ in range(count - 1)]
        for brain in brains:
            await eventually(brain.ready, within_s=120)
        yield brains
    finally:
        for brain in brains:
            await brain.end(signal.SIGKILL)


async def busy_one(brains: Sequence[Brain]) -> Brain:
    """The brain that answers just now."""

    async def busy() -> list[Brain]:
        return [brain for brain in brains if await brain.busy()]

    [found] = await eventually(busy, within_s=60)
    return found


@contextlib.contextmanager
def locked(hotel: Path) -> Iterator[None]:
    """Nobody else writes to the hotel's file meanwhile: a booking waits, and has not happened."""
    with contextlib.closing(sqlite3.connect(hotel, isolation_level=None, timeout=30)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        yield
        raw.execute("ROLLBACK")


def bookings(hotel: Path) -> int:
    """Late check-outs that the hotel really has."""
    with contextlib.closing(sqlite3.connect(hotel, timeout=30)) as raw:
        return int(raw.execute("SELECT count(*) FROM bookings").fetchone()[0])


class Guest:
    """One conversation over the bus."""

    def __init__(self, bus: Bus, feed: Feed, customer_id: str) -> None:
        self.conversations = Conversations(bus)
        self._feed, self._customer = feed, customer_id
        self.conversation_id = new_id("conv")
        self.following: Subscription | None = None
        self.events: list[AnyEvent] = []
        self.text = ""
        """What came of the running reply."""
        self.pieces: list[str] = []

    @property
    def gateway_id(self) -> str:
        return self._feed.gateway_id

    async def open(self) -> None:
        event = ConversationOpened(
            id=new_id("evt"),
            time_ms=0,
            property_id="harbour",
            conversation_id=self.conversation_id,
            author=Author.SYSTEM,
            channel=Channel.SYSTEM,
            customer_id=self._customer,
        )
        await self.conversations.open(event, {"property_id": "harbour", "customer_id": self._customer})
        self.following = await self._feed.follow("harbour", self.conversation_id)

    async def say(self, text: str, channel: Channel = Channel.VOICE) -> str:
        """Begin a turn; its id."""
        turn_id = new_id("turn")
        message = MessageReceived(
            id=turn_id,
            turn_id=turn_id,
            time_ms=0,
            property_id="harbour",
            conversation_id=self.conversation_id,
            author=Author.GUEST,
            channel=channel,
            text=text,
        )
        self.text, self.pieces = "", []
        await self.conversations.accept(message, gateway_id=self._feed.gateway_id)
        return turn_id

    async def hear(self, channel: Channel = Channel.VOICE, *, text: str) -> ReplyGenerated:
        """A whole turn."""
        await self.say(text, channel)
        return await self.answer()

    async def answer(self) -> ReplyGenerated:
        """The running reply, whole; what was streamed is what was recorded."""
        reply = await self.listen()
        assert reply is not None
        assert reply.text == self.text
        return reply

    async def listen(
        self, *, words: int = 0, event: type[ToolRequested | ToolCompleted] | None = None, tool: str = ""
    ) -> ReplyGenerated | None:
        """Until the reply is complete, so many words of it have come, or this was recorded of the tool."""
        assert self.following
        async with asyncio.timeout(120):
            async for item in self.following:
                if isinstance(item, Piece):
                    self.text += item.text
                    self.pieces.append(item.text)
                    if words and len(self.text.split()) >= words:
                        return None
                else:
                    self.events.append(item)
                    if event and isinstance(item, event) and item.name == tool:
                        return None
                    if isinstance(item, ReplyGenerated):
                        return item
        return None


@contextlib.asynccontextmanager
async def visiting(redis_url: str, customer_id: str = "guest-204") -> AsyncIterator[Guest]:
    """A guest with an open conversation."""
    async with Bus(BusSettings(redis_url=SecretStr(redis_url))) as bus, Feed(bus, new_id("gw")) as feed:
        guest = Guest(bus, feed, customer_id)
        await guest.open()
        yield guest
