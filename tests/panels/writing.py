"""Guests who write all the time, one who books, and what is done to their turns on the way."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from deploy.local.process import Supervised
from deploy.local.stack import Stack
from libs.contracts.keys import Keys
from tests.chaos.wire import Refused, Wire
from tests.eventually import eventually
from tests.rooms.calls import KEY, kill_busy_brain

TOUR = "Tell me about the hotel."
_GUESTS = 3
_BROKEN = (Refused, aiohttp.ClientError, ConnectionError, TimeoutError, asyncio.IncompleteReadError)
_KEYS = Keys()


class Writers:
    """`wire` and the faults share one stack."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession, redis: Any) -> None:
        self._stack, self._redis = stack, redis
        self._wire = Wire(session, [stack.text_url], KEY)
        self._url = stack.text_url
        self._numbers = itertools.count()

    @contextlib.asynccontextmanager
    async def chatting(self) -> AsyncIterator[None]:
        """Guests write one message after the other, every second one twice, and a device follows along."""
        tasks = [asyncio.create_task(self._chat(f"writer-{number}")) for number in range(_GUESTS)]
        tasks.append(asyncio.create_task(self._follow()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _chat(self, guest: str) -> None:
        for number in itertools.count():
            key = f"{guest}.{number}"
            with contextlib.suppress(*_BROKEN):
                for _ in range(1 + number % 2):
                    await self._wire.ask(self._url, guest, "Is there parking?", key)

    async def _follow(self) -> None:
        conversation = str((await self._ask("writer-0", "What time is breakfast?"))["conversationId"])
        while True:
            with contextlib.suppress(*_BROKEN):
                async with self._wire.follow(self._url, conversation, 0) as frames:
                    async for _ in frames:
                        pass

    async def book(self) -> None:
        """An offer, accepted; the brain stops while the hotel takes it, and wakes up when another has told the guest.

        What it then records of the booking is refused: the turn is another's.
        """
        offered = await self._ask("guest-204", "Can I check out at two tomorrow?")
        assert "Shall I book it" in offered["response"]
        async with self._wire.post(self._url, "guest-204", "Yes, please book it.", self._key()) as frames:
            stopped: list[Supervised] = []
            try:
                async for frame in frames:
                    if frame.name == "turn":
                        stopped.append(await self._stop_whoever_books(frame.data["conversationId"]))
                    elif frame.name == "end":
                        assert "booked" in frame.data["response"]
                        return
            finally:
                for brain in stopped:
                    brain.signal(signal.SIGCONT)

    async def _stop_whoever_books(self, conversation: str) -> Supervised:
        async def requested() -> bool:
            log = await self._redis.xrevrange(_KEYS.log(conversation), count=4)
            return any(b'"accept_offer"' in fields[b"b"] for _, fields in log)

        await eventually(requested)
        owner = (await self._redis.hget(_KEYS.conv(conversation), "own")).decode()
        brain = self._stack.process(self._brain_of(owner))
        brain.signal(signal.SIGSTOP)
        return brain

    def _brain_of(self, worker: str) -> str:
        """A brain's first line of log tells which worker it is."""
        lines = (self._stack.directory / "stack.log").read_text().splitlines()
        return next(line.partition(" | ")[0] for line in lines if '"brain ready"' in line and worker in line)

    async def withdraw(self) -> None:
        """A message that is cancelled when some words of its answer have come."""
        async with self._wire.post(self._url, "withdraws", TOUR, self._key()) as frames:
            conversation = turn = ""
            async for frame in frames:
                if frame.name == "turn":
                    conversation, turn = frame.data["conversationId"], frame.data["turnId"]
                elif frame.name == "chunk" and turn:
                    assert await self._wire.withdraw(self._url, conversation, turn) == "running"
                    turn = ""
                elif frame.name == "end":
                    assert frame.data["status"] == "cancelled"
                    return

    async def lose_brain(self) -> None:
        """kill -9 of a brain that answers; another goes on."""
        asked = asyncio.create_task(self._ask("loses-brain", TOUR))
        await kill_busy_brain(self._stack)
        assert "Let me take you" in (await asked)["response"]

    async def tear_gap(self) -> None:
        """Chunks are lost while a gateway does not look; it finds the hole and mends it."""
        async with self._wire.post(self._url, "has-gap", TOUR, self._key()) as frames:
            said, torn = "", False
            async for frame in frames:
                if frame.name == "chunk":
                    said += frame.data["text"]
                    if not torn:
                        torn = True
                        await self._lose_chunks()
                elif frame.name == "end":
                    assert said == frame.data["response"]
                    return

    async def _lose_chunks(self) -> None:
        gateway = self._stack.process("text_gateway")
        gateway.signal(signal.SIGSTOP)
        try:
            streams = [key async for key in self._redis.scan_iter(_KEYS.chunks("*"))]
            lengths = await self._lengths(streams)
            await eventually(lambda: self._lengths(streams), lambda now: sum(now) > sum(lengths) + 3)
            for stream in streams:
                await self._redis.xtrim(stream, maxlen=0, approximate=False)
        finally:
            gateway.signal(signal.SIGCONT)

    async def _lengths(self, streams: list[bytes]) -> list[int]:
        return [int(await self._redis.xlen(stream)) for stream in streams]

    async def drop_connections(self) -> None:
        """Redis closes every connection."""
        await self._redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def leave_garbage(self) -> None:
        """An entry that is no turn: a dead letter."""
        await self._redis.xadd(_KEYS.turns, {"garbage": "yes"})

    async def expire(self) -> None:
        """A message that nobody begins to answer in time."""
        async with self._wire.post(self._url, "waits", "Is there a pool?", self._key()) as frames:
            async for frame in frames:
                if frame.name == "end":
                    assert frame.data["status"] == "expired"
                    return

    async def _ask(self, guest: str, text: str) -> dict[str, Any]:
        return await self._wire.ask(self._url, guest, text, self._key())

    def _key(self) -> str:
        return f"scene.{next(self._numbers)}"
