"""A guest is faster than the reply of the commit: the next turn's entry is read while the turn before it still ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.commands import Commands
from libs.bus.conversations import Conversations
from libs.bus.feed import Feed
from libs.bus.handler import Done, Turn
from libs.bus.link import Part
from libs.bus.pieces import Piece
from libs.bus.settings import BusSettings
from libs.bus.subscription import Subscription
from libs.bus.worker import Worker
from libs.contracts.events import Author, Channel, ConversationOpened, MessageReceived

PATIENCE_S = 10.0


class LateCommits:
    """Commands whose commits take effect at once and whose replies come when `gate` opens."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.gate = asyncio.Event()
        self.send, self.close = commands.send, commands.close

    def call(self, script: str, keys: Sequence[Part], args: Sequence[Part]) -> asyncio.Future[Any]:
        sent = self._commands.call(script, keys, args)
        return asyncio.ensure_future(self._hold(sent)) if script == "commit" else sent

    async def _hold(self, sent: asyncio.Future[Any]) -> Any:
        reply = await sent
        await self.gate.wait()
        return reply


async def echo(turn: Turn) -> AsyncGenerator[str | Done, None]:
    yield turn.message.text
    yield Done()


async def test_a_turn_that_comes_before_the_commit_reply_is_answered_at_once(redis_url: str) -> None:
    # given: a worker that would get an unclaimed entry back from others only much later
    settings = BusSettings(redis_url=SecretStr(redis_url), unclaimed_ms=60_000)
    async with Bus(settings) as brain_bus, Bus(settings) as bus, Feed(bus, "gw-1") as feed:
        late = LateCommits(brain_bus.at(brain_bus.shards[0]))
        brain_bus.commands = late  # type: ignore[assignment]
        worker = Worker(brain_bus, "brain-1", echo, slots=4)
        await worker.start()
        conversations = Conversations(bus)
        await conversations.open(_opened(), {})
        subscription = await feed.follow("harbour", "conv-1")

        # when: the guest has the whole first answer and writes again, and the worker has read that too
        async with asyncio.timeout(PATIENCE_S):
            await conversations.accept(_message("turn-1", "first"), gateway_id="gw-1")
            assert await _answer(subscription, "turn-1") == "first"
            await conversations.accept(_message("turn-2", "second"), gateway_id="gw-1")
            while worker.in_flight < 2:
                await bus.ping()
            late.gate.set()

            # then
            assert await _answer(subscription, "turn-2") == "second"
        await worker.drain(1)


async def _answer(subscription: Subscription, turn_id: str) -> str:
    text = ""
    async for item in subscription:
        if isinstance(item, Piece) and item.turn_id == turn_id:
            text += item.text
            if item.end:
                break
    return text


def _opened() -> ConversationOpened:
    return ConversationOpened(
        id="event-1",
        time_ms=1,
        property_id="harbour",
        conversation_id="conv-1",
        author=Author.SYSTEM,
        channel=Channel.SYSTEM,
    )


def _message(turn_id: str, text: str) -> MessageReceived:
    return MessageReceived(
        id=turn_id,
        time_ms=1,
        property_id="harbour",
        conversation_id="conv-1",
        author=Author.GUEST,
        channel=Channel.TEXT,
        turn_id=turn_id,
        text=text,
    )
