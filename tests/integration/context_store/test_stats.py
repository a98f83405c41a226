"""Waiting turns, counted on a real Redis: those behind the head of a mailbox too, those being answered not."""

from __future__ import annotations

from pydantic import SecretStr

from libs.bus.bus import Bus, new_id
from libs.bus.conversations import Conversations
from libs.bus.settings import BusSettings
from libs.bus.stats import read_stats
from libs.bus.worker import Worker
from libs.contracts.events import Author, Channel, ConversationOpened, MessageReceived
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import Concierge


async def _accept(conversations: Conversations, conversation_id: str) -> None:
    common = {"property_id": "harbour", "conversation_id": conversation_id, "channel": Channel.TEXT, "time_ms": 1}
    opened = ConversationOpened(id=new_id("evt"), author=Author.SYSTEM, **common)  # type: ignore[arg-type]
    await conversations.open(opened, {})
    message = MessageReceived(
        id=new_id("evt"),
        author=Author.GUEST,
        turn_id=new_id("turn"),
        text="Hi",
        **common,  # type: ignore[arg-type]
    )
    await conversations.accept(message)


async def test_waiting_turns(redis_url: str) -> None:
    async with Bus(BusSettings(redis_url=SecretStr(redis_url), block_ms=50)) as bus:

        async def waiting() -> tuple[int, int]:
            (shard,) = await read_stats(bus)
            (brain,) = [group for group in shard.groups if group.group == "brain"]
            return shard.turns_waiting, brain.pending

        conversations, concierge = Conversations(bus), Concierge()
        concierge.go_on.clear()
        assert (await waiting())[0] == 0
        for conversation_id in ("conv-1", "conv-1", "conv-1", "conv-2"):
            await _accept(conversations, conversation_id)

        assert (await waiting())[0] == 4

        worker = Worker(bus, new_id("brain"), concierge, slots=8)
        await worker.start()
        await eventually(waiting, lambda told: told == (2, 2))  # both heads are being answered
        concierge.go_on.set()
        await eventually(waiting, lambda told: told == (0, 0))
        await worker.drain(1)
