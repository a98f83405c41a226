"""The brain as it runs: a process on a real Redis, killed, told to stop, misconfigured."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from libs.contracts.events import ReplyGenerated, ReplyStatus, ToolCompleted, ToolRequested
from tests.eventually import eventually
from tests.integration.brain.brains import busy_one, running_brains, start_brain, visiting
from tests.servers.redis import RedisServer

TOUR = "Let me take you through the house."


async def test_a_question_is_answered_over_the_bus(redis_url: str, tmp_path: Path) -> None:
    async with running_brains(1, redis_url, tmp_path / "h.sqlite3") as [brain], visiting(redis_url) as guest:
        await guest.say("can i check out at two")
        offer = await guest.listen()
        await guest.say("yes please")
        booked = await guest.listen()

        assert offer is not None
        assert "thirty-five euros" in offer.text
        assert booked is not None
        assert booked.text == guest.text
        assert booked.text.startswith("It's booked")
        assert booked.timings is not None
        assert booked.timings.first_token_ms > 0
        kinds = [type(event) for event in guest.events if isinstance(event, ToolRequested | ToolCompleted)]
        assert kinds == [ToolRequested, ToolCompleted] * 2
        assert 'botel_turns_committed_total{status="finished"} 2.0' in await brain.ask("/metrics")


async def test_a_brain_that_is_told_to_stop_finishes_its_sentence(redis_url: str, tmp_path: Path) -> None:
    hotel = tmp_path / "h.sqlite3"
    async with (
        running_brains(1, redis_url, hotel, BRAIN_OFFLINE_TOKEN_S="0.01") as [brain],
        visiting(redis_url) as guest,
    ):
        await guest.say("tell me about the hotel")
        await guest.listen(words=5)
        stopping = asyncio.create_task(brain.end(signal.SIGTERM))
        reply = await guest.listen()

        assert await stopping == 0
        assert reply is not None
        assert (reply.status, reply.text) == (ReplyStatus.FINISHED, guest.text)


async def test_killed_in_the_middle_of_a_sentence_another_goes_on(redis_url: str, tmp_path: Path) -> None:
    hotel = tmp_path / "h.sqlite3"
    async with (
        running_brains(2, redis_url, hotel, BRAIN_OFFLINE_TOKEN_S="0.1") as brains,
        visiting(redis_url) as guest,
    ):
        await guest.say("tell me about the hotel")
        await guest.listen(words=12)
        busy = await busy_one(brains)
        await busy.end(signal.SIGKILL)
        reply = await guest.listen()

        assert reply is not None
        assert reply.status is ReplyStatus.FINISHED
        assert guest.text == reply.text
        assert reply.text.startswith(TOUR)
        assert reply.text.endswith("until one in the morning.")
        assert reply.text.count(TOUR) == 1


async def test_a_cancel_stops_a_reply(redis_url: str, tmp_path: Path) -> None:
    hotel = tmp_path / "h.sqlite3"
    async with running_brains(1, redis_url, hotel, BRAIN_OFFLINE_TOKEN_S="0.2"), visiting(redis_url) as guest:
        turn = await guest.say("tell me about the hotel")
        await guest.listen(words=5)
        assert await guest.conversations.cancel("harbour", guest.conversation_id, turn) == "running"
        reply = await guest.listen()

        assert isinstance(reply, ReplyGenerated)
        assert reply.status is ReplyStatus.CANCELLED
        assert reply.text == guest.text
        assert len(reply.text.split()) < 40


@pytest.mark.parametrize(
    ("env", "part"),
    [
        ({"BRAIN_AGENT": "no.such:agent"}, "brain: agent-not-usable: BRAIN_AGENT='no.such:agent'"),
        ({"BRAIN_MODEL": "openai"}, "brain: model-not-configured:"),
        ({"BRAIN_MODEL": "parrot"}, "brain: settings: BRAIN_MODEL"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    redis_url: str, tmp_path: Path, env: dict[str, str], part: str
) -> None:
    brain = await start_brain(redis_url, tmp_path / "h.sqlite3", **env)
    try:
        await asyncio.wait_for(brain.process.wait(), 40)
    finally:
        if brain.process.returncode is None:  # it did not end by itself: the test fails, and leaves nothing behind
            brain.process.kill()
            await brain.process.wait()

    told = brain.log.read_text()
    assert brain.process.returncode == 1
    assert told.splitlines()[-1].startswith(part)
    assert "Traceback" not in told


@pytest.mark.long
async def test_without_redis_a_brain_waits_and_still_obeys(tmp_path: Path) -> None:
    brain = await start_brain("redis://127.0.0.1:1/0", tmp_path / "h.sqlite3")
    try:
        await eventually(lambda: brain.ask("/healthz"), within_s=40)
        assert await brain.ask("/readyz") == ""
        assert await brain.end(signal.SIGTERM) == 0
    finally:
        await brain.end(signal.SIGKILL)


async def test_a_brain_comes_back_when_redis_does(own_redis: RedisServer, tmp_path: Path) -> None:
    url, stop, start = own_redis.url, own_redis.stop, own_redis.start
    async with running_brains(1, url, tmp_path / "h.sqlite3") as [brain]:

        async def not_ready() -> bool:
            return not await brain.ask("/readyz")

        stop()
        await eventually(not_ready, within_s=20)
        start()
        await eventually(lambda: brain.ask("/readyz"), within_s=20)
        async with visiting(url) as guest:
            await guest.say("when is breakfast")
            reply = await guest.listen()

            assert reply is not None
            assert reply.text.startswith("Breakfast is served")
