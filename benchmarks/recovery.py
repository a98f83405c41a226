"""The bus's share of a recovery: `python -m benchmarks.recovery [--kills 60]`.

Three brain processes whose handler takes no time. The one that has begun a reply is killed with SIGKILL, at a random
moment; measured is from the kill to the first words that a follower gets of the one that goes on. Settings by
BOTEL_BUS_*, as always.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncGenerator

import msgspec
from pydantic import SecretStr

from benchmarks import machine
from libs.bus.bus import Bus
from libs.bus.conversations import Conversations
from libs.bus.dead import redis_ms
from libs.bus.feed import Feed
from libs.bus.handler import Done, Turn
from libs.bus.pieces import Piece
from libs.bus.settings import BusSettings
from libs.bus.subscription import Subscription
from libs.bus.worker import Worker, wall_clock_ms
from libs.contracts.events import Author, Channel, ConversationOpened, MessageReceived
from libs.process import run
from tests.servers.redis import running_redis

PROPERTY, BRAINS, WITHIN_S = "harbour", 3, 30.0


class Recovery(msgspec.Struct, frozen=True):
    """Milliseconds."""

    total: float
    lease: float
    """Kill -> the dead brain's lease runs out."""
    taken: float
    """That -> another brain has claimed the turn."""
    words: float
    """That -> the follower has words."""


async def _answer(turn: Turn) -> AsyncGenerator[str | Done, None]:
    """Begins and never ends; whoever takes over ends it at once."""
    if turn.grant.draft:
        yield "and ends."
    else:
        yield f"{os.getpid()} "
        await asyncio.Event().wait()


async def _brain(url: str, name: str) -> None:
    async with Bus(BusSettings(redis_url=SecretStr(url)), name=name) as bus:
        await Worker(bus, name, _answer, slots=8).start()
        await asyncio.Event().wait()


class Brains:
    """Always three of them."""

    def __init__(self, bus: Bus, url: str) -> None:
        self._bus, self._url, self._names = bus, url, itertools.count(1)
        self.by_pid: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}

    async def complete(self) -> None:
        while len(self.by_pid) < BRAINS:
            self._start(f"brain{next(self._names)}")
        async with asyncio.timeout(WITHIN_S):
            missing = True
            while missing:
                await asyncio.sleep(0.05)
                missing = await self._alive() != {name for name, _ in self.by_pid.values()}

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "benchmarks.recovery", "--brain", self._url, name]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.by_pid[process.pid] = (name, process)

    async def _alive(self) -> set[str]:
        now = await redis_ms(self._bus, self._bus.shards[0])
        leases = await self._bus.commands.send("ZRANGEBYSCORE", self._bus.shards[0].leases, now, "+inf")
        return {name.decode() for name in leases}

    def kill(self, pid: int) -> None:
        self.by_pid.pop(pid)[1].kill()

    def end(self) -> None:
        for _, process in self.by_pid.values():
            process.kill()
            process.wait()


async def _one(bus: Bus, feed: Feed, brains: Brains, number: int) -> Recovery:
    conversation, keys = f"c{number}", bus.shards[0]
    conversations = Conversations(bus)
    opened, message = _events(conversation)
    await conversations.open(opened, {})
    async with await feed.follow(PROPERTY, conversation) as items:
        await conversations.accept(message)
        pid = int((await _words(items)).text)
        await asyncio.sleep(random.random() * 0.3)
        expiry = float(await bus.commands.send("ZSCORE", keys.leases, brains.by_pid[pid][0]))
        killed, killed_ms = time.perf_counter(), await redis_ms(bus, keys)
        brains.kill(pid)
        await _words(items)
        total = (time.perf_counter() - killed) * 1000
    claimed = int(await bus.commands.send("HGET", keys.conv(conversation), "ep"))
    lease = expiry - killed_ms
    return Recovery(total, lease, claimed - expiry, total - (claimed - killed_ms))


def _events(conversation: str) -> tuple[ConversationOpened, MessageReceived]:
    now, text = wall_clock_ms(), Channel.TEXT
    opened = ConversationOpened(
        id=f"{conversation}.opened",
        time_ms=now,
        property_id=PROPERTY,
        conversation_id=conversation,
        author=Author.SYSTEM,
        channel=text,
    )
    message = MessageReceived(
        id=f"{conversation}.turn",
        turn_id=f"{conversation}.turn",
        text="hello",
        time_ms=now,
        property_id=PROPERTY,
        conversation_id=conversation,
        author=Author.GUEST,
        channel=text,
    )
    return opened, message


async def _words(items: Subscription) -> Piece:
    async with asyncio.timeout(WITHIN_S):
        async for item in items:
            if isinstance(item, Piece) and item.text:
                return item
    raise EOFError("the feed ended")


async def measure(url: str, kills: int) -> list[Recovery]:
    """Kill so many brains, one after the other."""
    async with Bus(BusSettings(redis_url=SecretStr(url)), name="measure") as bus, Feed(bus, "measure") as feed:
        brains, found = Brains(bus, url), []
        try:
            for number in range(kills):
                await brains.complete()
                found.append(await _one(bus, feed, brains, number))
        finally:
            brains.end()
        return found


def report(found: list[Recovery], settings: BusSettings) -> list[str]:
    lines = [
        f"{len(found)} kills, {BRAINS - 1} other brains, lease {settings.lease_ms} ms, beat {settings.beat_ms} ms, "
        f"reap {settings.reap_ms} ms",
        f"{'ms':<28}{'p50':>8}{'p95':>8}{'max':>8}",
    ]
    for name, about in (
        ("total", "kill -> next words"),
        ("lease", "  until the lease is out"),
        ("taken", "  until it is claimed"),
        ("words", "  until words are there"),
    ):
        values = sorted(getattr(one, name) for one in found)
        p50, p95 = (values[int((len(values) - 1) * share)] for share in (0.5, 0.95))
        lines.append(f"{about:<28}{p50:>8.0f}{p95:>8.0f}{values[-1]:>8.0f}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--brain", nargs=2, metavar=("URL", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.brain:
        run(_brain(*options.brain))
        return 0
    print(", ".join(f"{name} {value}" for name, value in machine.describe().items()))
    with running_redis() as server:
        found = run(measure(server.url, options.kills))
    print("\n".join(report(found, BusSettings())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
