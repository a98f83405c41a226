"""The table of cancellations, with the concierge on a real bus: whenever the cancel comes, the turn has one outcome,
nothing is said after its acknowledgement, and what the hotel took is told at the next turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.contracts.events import ReplyGenerated, ReplyStatus, ToolCompleted, ToolRequested
from services.brain.agent import OwnAgent
from services.brain.answer import Concierge
from services.brain.domain.hotel import Reservation
from services.brain.offline_model import OfflineChatModel
from services.brain.pms.memory import MemoryPms
from services.brain.ports import Pms
from tests.bus.support.conversation import PROPERTY, opened
from tests.bus.support.listening import Listener
from tests.bus.support.stage import PATIENT, Stage, stop_hearing_cancels
from tests.bus.support.waiting import eventually, soon
from tests.integration.brain.conftest import NOW
from tests.integration.brain.hotels import SlowPms

TOLD = "Your late check-out until 2 pm is booked, and €35 will be added to your bill."


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    async with Stage(redis_url, **PATIENT) as made:
        yield made


class Guest:
    """Conversation `c` of guest-204, and whoever answers it."""

    def __init__(self, stage: Stage, pms: Pms) -> None:
        self.stage, self.pms = stage, pms
        self.listener: Listener

    async def arrive(self, *, deaf: bool = False, **model: float) -> None:
        """`deaf`: the brain hears of a cancel by the durable flag only. `model`: delays in seconds."""
        concierge = Concierge(OwnAgent(OfflineChatModel(**model)), self.pms, clock=lambda: NOW)
        worker = await self.stage.worker("w1", concierge.answer)
        if deaf:
            await stop_hearing_cancels(worker)
        context = {"property_id": PROPERTY, "customer_id": "guest-204"}
        await self.stage.conversations.open(opened("c"), context)
        self.listener = await self.stage.listen(await self.stage.feed(), "c")

    async def say(self, turn: str, text: str) -> ReplyGenerated:
        await self.stage.accept("c", turn, text)
        return await self.listener.reply(turn)

    async def cancel(self, turn: str) -> str:
        return await self.stage.cancel("c", turn)

    def recorded(self, turn: str) -> list[str]:
        """Steps of the turn's bookings."""
        steps = (event for event in self.listener.events if event.turn_id == turn)
        return [type(event).__name__ for event in steps if isinstance(event, ToolRequested | ToolCompleted)]


async def begun(guest: Guest, turn: str) -> None:
    async def running() -> bool:
        return await guest.stage.field("c", "st") == "running"

    await eventually(running)


async def test_before_it_is_claimed(stage: Stage, pms: MemoryPms) -> None:
    guest = Guest(stage, pms)
    context = {"property_id": PROPERTY, "customer_id": "guest-204"}
    await stage.conversations.open(opened("c"), context)
    await stage.accept("c", "t1", "hello")
    assert await guest.cancel("t1") == "queued"
    await guest.arrive()
    await stage.at_rest("c")
    assert await stage.cancel("c", "t1") == "done"
    assert (await guest.say("t2", "when is breakfast")).text.startswith("Breakfast")


@pytest.mark.parametrize("deaf", [False, True])
async def test_before_the_first_word(stage: Stage, pms: MemoryPms, deaf: bool) -> None:
    guest = Guest(stage, pms)
    await guest.arrive(deaf=deaf, first_token_s=0.3 if deaf else 60)
    await stage.accept("c", "t1", "hello")
    await begun(guest, "t1")
    assert await guest.cancel("t1") == "running"
    reply = await guest.listener.reply("t1")
    assert (reply.status, reply.text) == (ReplyStatus.CANCELLED, "")


@pytest.mark.parametrize("deaf", [False, True])
async def test_in_the_middle_of_the_answer(stage: Stage, pms: MemoryPms, deaf: bool) -> None:
    guest = Guest(stage, pms)
    await guest.arrive(deaf=deaf, token_s=0.01)
    await stage.accept("c", "t1", "tell me about the hotel")
    await guest.listener.until(lambda it: len(it.text["t1"].split()) > 5)
    assert await guest.cancel("t1") == "running"
    acknowledged = await stage.send("GET", stage.keys.draft("c"))
    reply = await guest.listener.reply("t1")
    assert reply.status is ReplyStatus.CANCELLED
    assert acknowledged is None or reply.text == acknowledged.decode()
    assert reply.usage is not None, "the model's call of the tool was paid for"
    assert reply.usage.estimated


class SlowReads(MemoryPms):
    def __init__(self, other: MemoryPms) -> None:
        self.__dict__.update(other.__dict__)
        self.begun = asyncio.Event()

    async def reservations(
        self, property_id: str, *, code: str = "", customer_id: str = "", last_name: str = ""
    ) -> tuple[Reservation, ...]:
        self.begun.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_while_a_tool_reads(stage: Stage, pms: MemoryPms) -> None:
    slow = SlowReads(pms)
    guest = Guest(stage, slow)
    await guest.arrive()
    await stage.accept("c", "t1", "what room am i in")
    await soon(slow.begun.wait())
    assert await guest.cancel("t1") == "running"
    reply = await guest.listener.reply("t1")
    assert (reply.status, reply.text, guest.recorded("t1")) == (ReplyStatus.CANCELLED, "", [])


async def test_before_a_booking_begins(stage: Stage, pms: MemoryPms) -> None:
    guest = Guest(stage, pms)
    await guest.arrive(deaf=True, first_token_s=0.3)
    await guest.say("t1", "can i check out at two")
    await stage.accept("c", "t2", "yes please")
    await begun(guest, "t2")
    assert await guest.cancel("t2") == "running"
    reply = await guest.listener.reply("t2")
    assert (reply.status, reply.text, guest.recorded("t2")) == (ReplyStatus.CANCELLED, "", [])
    assert not pms.bookings


@pytest.mark.parametrize("deaf", [False, True])
async def test_in_a_booking(stage: Stage, pms: MemoryPms, deaf: bool) -> None:
    """Begun, it ends, is recorded, and is told at the next turn, once."""
    slow = SlowPms(pms)
    guest = Guest(stage, slow)
    await guest.arrive(deaf=deaf)
    await guest.say("t1", "can i check out at two")
    await stage.accept("c", "t2", "yes please")
    await soon(slow.begun.wait())
    assert await guest.cancel("t2") == "running"
    assert "t2" not in guest.listener.replies, "the turn does not end before its booking"
    slow.gate.set()
    reply = await guest.listener.reply("t2")
    assert (reply.status, reply.text) == (ReplyStatus.CANCELLED, "")
    assert guest.recorded("t2") == ["ToolRequested", "ToolCompleted"]
    assert len(slow.bookings) == 1
    assert (await guest.say("t3", "when is breakfast")).text.startswith(f"{TOLD} Breakfast is served")
    assert (await guest.say("t4", "when is breakfast")).text.startswith("Breakfast is served")


async def test_after_the_answer_and_twice(stage: Stage, pms: MemoryPms) -> None:
    guest = Guest(stage, pms)
    await guest.arrive()
    reply = await guest.say("t1", "hello")
    assert [await guest.cancel("t1"), await guest.cancel("t1")] == ["done", "done"]
    assert reply.status is ReplyStatus.FINISHED
    replies = [event for event in guest.listener.events if isinstance(event, ReplyGenerated)]
    assert len(replies) == 1


async def test_twice_while_it_runs(stage: Stage, pms: MemoryPms) -> None:
    guest = Guest(stage, pms)
    await guest.arrive(token_s=0.01)
    await stage.accept("c", "t1", "tell me about the hotel")
    await guest.listener.until(lambda it: it.text["t1"])
    first, second = await asyncio.gather(guest.cancel("t1"), guest.cancel("t1"))
    assert first == "running"
    assert second in ("running", "done")
    assert (await guest.listener.reply("t1")).status is ReplyStatus.CANCELLED


async def test_racing_the_end_of_the_answer(stage: Stage, pms: MemoryPms) -> None:
    """Whoever is first in Redis: the word that the cancel was answered with and the turn's outcome agree."""
    guest = Guest(stage, pms)
    await guest.arrive()
    outcomes = set()
    for number in range(30):
        turn = f"t{number}"
        await stage.accept("c", turn, "thank you")
        if number % 3:
            await guest.listener.until(lambda it, turn=turn, words=number % 10: len(it.text[turn].split()) >= words)  # type: ignore[misc]
        word = await guest.cancel(turn)
        reply = await guest.listener.reply(turn)
        assert (reply.status is ReplyStatus.FINISHED) == (word == "done"), (turn, word, reply)
        outcomes.add(reply.status)
    assert outcomes <= {ReplyStatus.FINISHED, ReplyStatus.CANCELLED}
