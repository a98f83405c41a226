"""kill -9 of a text gateway: on another one the client has every event and every word, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest

from libs.bus.handler import Done, Turn
from libs.bus.worker import Worker
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import CHAT, Concierge, Received, running_brain
from tests.integration.text_gateway.processes import GatewayProcess, running_gateways
from tests.integration.text_gateway.reader import Reader

GUEST = {"propertyId": "harbour", "customerId": "C-1"}
GUEST_SAYS = {**GUEST, "message": "Breakfast?"}
WORDS = ["Früh", "stück ", "gibt ", "es ", "ab ", "7 ", "Uhr", " — ", "im ", "Garten", "zimmer."]
"""Letters of more than one byte, so that counting letters instead of bytes shows."""


class Reciter(Concierge):
    """Says WORDS; from the word `held` on only as `more` is released."""

    def __init__(self, held: int = 4) -> None:
        super().__init__()
        self.held = held
        self.more = asyncio.Semaphore(0)

    async def __call__(self, turn: Turn) -> AsyncGenerator[str | Done, None]:
        self.asked.append(turn.message.text)
        for at, word in enumerate(WORDS):
            if at >= self.held:
                await self.more.acquire()
            yield word
        yield Done(model="test")

    def finish(self) -> None:
        for _ in WORDS:
            self.more.release()


@pytest.fixture
def concierge() -> Reciter:
    return Reciter()


@pytest.fixture
async def brain(redis_url: str, concierge: Reciter) -> AsyncIterator[Worker]:
    async with running_brain(redis_url, concierge) as worker:
        yield worker
        concierge.finish()


@pytest.fixture
async def gateways(redis_url: str, brain: Worker) -> AsyncIterator[list[GatewayProcess]]:
    async with running_gateways(2, redis_url) as made:
        yield made


def has(words: int, reader: Reader) -> bool:
    return any(text.decode().startswith("".join(WORDS[:words])) for text in reader.texts.values())


def replied(item: Received) -> bool:
    return item.event == "event" and item.data["type"] == "reply.generated"


async def test_the_client_goes_on_with_last_event_id_and_has_every_word_once(
    gateways: list[GatewayProcess], concierge: Reciter
) -> None:
    first, second = gateways
    reader = Reader()
    async with asyncio.timeout(300):
        saying = asyncio.create_task(reader.post(first.client, {**GUEST, "message": "Breakfast?"}, "k-1"))

        async def began() -> bool:
            return has(4, reader)

        await eventually(began)
        await first.kill()
        assert not await saying, "the stream broke off"
        concierge.more.release()  # a word that is made while nobody listens
        seen: list[Received] = []

        def watch(item: Received) -> bool:
            seen.append(item)
            concierge.more.release()
            return replied(item)

        assert await reader.follow(second.client, watch)

    assert list(reader.texts.values()) == ["".join(WORDS).encode()]
    assert next(item.data["offset"] for item in seen if item.event == "chunk") == 0
    assert (list(reader.events), reader.last_id) == ([3], "3")
    assert concierge.asked == ["Breakfast?"]


@pytest.mark.parametrize("streams", [True, False], ids=["events", "json"])
async def test_the_same_key_on_another_gateway_is_the_same_turn_and_the_whole_reply(
    gateways: list[GatewayProcess], concierge: Reciter, streams: bool
) -> None:
    first, second = gateways
    body, headers = {"message": "Breakfast?"}, {"Idempotency-Key": "k-1"}  # nobody known: the key names all
    reader = Reader()
    async with asyncio.timeout(300):
        if streams:
            saying: asyncio.Task[object] = asyncio.create_task(reader.post(first.client, body, "k-1"))
        else:
            saying = asyncio.create_task(first.client.post(CHAT, json=body, headers=headers))

        async def asked() -> list[str]:
            return concierge.asked

        await eventually(asked)
        await first.kill()
        await asyncio.wait({saying})
        concierge.finish()
        again = await second.client.post(CHAT, json=body, headers=headers)
        assert await reader.post(second.client, body, "k-1")
        reader.last_id = ""
        reader.texts.clear()
        assert await reader.follow(second.client, replied)

    assert not streams or saying.result() is False
    assert streams or isinstance(saying.exception(), httpx.TransportError)
    assert again.json()["response"] == "".join(WORDS)
    assert reader.end == again.json()
    assert [event["type"] for event in reader.events.values()] == [
        "conversation.opened",
        "message.received",
        "reply.generated",
    ]
    assert concierge.asked == ["Breakfast?"]


async def test_the_same_key_while_the_reply_is_still_made_tells_it_from_the_beginning(
    gateways: list[GatewayProcess], concierge: Reciter
) -> None:
    first, second = gateways
    reader = Reader()
    async with asyncio.timeout(300):
        saying = asyncio.create_task(reader.post(first.client, GUEST_SAYS, "k-1"))

        async def began() -> bool:
            return has(4, reader)

        await eventually(began)
        await first.kill()
        assert not await saying
        offsets: list[int] = []

        def watch(item: Received) -> bool:
            offsets.extend([item.data["offset"]] if item.event == "chunk" else [])
            concierge.more.release()
            return False

        concierge.more.release()
        assert await reader.post(second.client, GUEST_SAYS, "k-1", watch)

    assert offsets[0] == 0
    assert reader.end["response"] == "".join(WORDS)
    assert list(reader.texts) == [reader.end["turnId"]]
    assert concierge.asked == ["Breakfast?"]


async def test_a_follower_of_many_replies_changes_gateways_in_each_of_them(
    redis_url: str, brain: Worker, concierge: Reciter
) -> None:
    """Every gateway dies in the middle of a reply: one history without a gap comes of it."""
    reader, talker = Reader(), Reader()
    concierge.held = 3
    async with asyncio.timeout(300), running_gateways(3, redis_url) as gateways, running_gateways(1, redis_url) as safe:
        for number, gateway in enumerate(gateways):
            saying = asyncio.create_task(
                talker.post(safe[0].client, {**GUEST, "message": f"Question {number}"}, f"k-{number}")
            )

            async def begun(count: int = number + 1) -> bool:
                return len(talker.texts) == count

            await eventually(begun)
            reader.conversation_id = talker.conversation_id
            following = asyncio.create_task(reader.follow(gateway.client))

            async def heard(count: int = number + 1) -> bool:
                return len(reader.texts) == count

            await eventually(heard)
            concierge.more.release()
            await gateway.kill()
            assert not await following
            concierge.finish()
            assert await saying
            while not concierge.more.locked():
                await concierge.more.acquire()
        assert await reader.follow(safe[0].client, lambda item: item.id == "7")

    assert list(reader.events) == [1, 2, 3, 4, 5, 6, 7]
    assert reader.texts == talker.texts
    assert json.dumps(concierge.asked) == '["Question 0", "Question 1", "Question 2"]'
