"""What is lost or wrong on a gateway's chunk stream does not reach its clients."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.handler import Done, Turn
from libs.bus.settings import BusSettings
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import Concierge, running_brain
from tests.integration.text_gateway.processes import running_gateways
from tests.integration.text_gateway.reader import Reader

GUEST = {"customerId": "C-1"}
WORDS = ["The", "pool", "is", "open", "from", "seven", "in", "the", "morning", "until", "ten", "at", "night."]


class Dictated(Concierge):
    """Says WORDS, one for each `more`."""

    def __init__(self) -> None:
        super().__init__()
        self.more = asyncio.Semaphore(0)

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.asked.append(turn.message.text)
        for word in WORDS:
            await self.more.acquire()
            yield word + " "
        yield Done(model="test")

    def say(self, words: int) -> None:
        for _ in range(words):
            self.more.release()


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    async with Bus(BusSettings(redis_url=SecretStr(redis_url))) as made:
        yield made


@pytest.mark.parametrize("rest_first", [False, True], ids=["in the middle", "to the end"])
async def test_chunks_deleted_and_a_stale_one_put_in_while_the_gateway_stands_still(
    redis_url: str, bus: Bus, rest_first: bool
) -> None:
    """`rest_first`: the whole rest of the reply is lost, its end too; only the log tells."""
    dictated, reader = Dictated(), Reader()
    async with (
        asyncio.timeout(300),
        running_gateways(1, redis_url, BOTEL_BUS_POLL_MS="200") as (gateway,),
        running_brain(redis_url, dictated),
    ):
        saying = asyncio.create_task(reader.post(gateway.client, {**GUEST, "message": "The pool?"}, "k"))
        dictated.say(2)

        async def heard() -> bool:
            return b"The pool " in reader.texts.values()

        await eventually(heard)
        gateway.process.send_signal(signal.SIGSTOP)
        (turn_id,) = reader.texts
        draft = bus.shards[0].draft(reader.conversation_id)
        dictated.say(len(WORDS) - 2 if rest_first else 3)
        lost = None if rest_first else b"The pool is open from "
        await eventually(lambda: bus.commands.send("GET", draft), lambda text: text == lost)
        for stream in await bus.commands.send("KEYS", "*:chunks:text-*"):
            await bus.commands.send("DEL", stream)
            stale = ("c", reader.conversation_id, "t", turn_id, "e", "1", "o", "9", "b", "was never ")
            await bus.commands.send("XADD", stream, "*", *stale)
        gateway.process.send_signal(signal.SIGCONT)
        dictated.say(len(WORDS))

        assert await saying

    assert reader.end["response"] == " ".join(WORDS) + " "
