"""Brains that are stopped and wake again, and brains that are told to go while guests listen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from libs.bus.bus import Bus
from libs.bus.settings import BusSettings
from libs.contracts.events import ReplyGenerated, ReplyStatus
from libs.contracts.keys import Keys
from tests.eventually import eventually
from tests.integration.brain.brains import Brain, Guest, busy_one, running_brains, start_brain, visiting

TOUR = "tell me about the hotel"
SLOWLY = {"BRAIN_OFFLINE_TOKEN_S": "0.04"}
NEVER_MENDED = {"BOTEL_BUS_LEASE_MS": "60000", "BOTEL_BUS_UNCLAIMED_MS": "60000"}
"""Nothing is handed over because time has passed: it would take longer than any test waits."""
ONE_ATTEMPT = {"BOTEL_BUS_MAX_ATTEMPTS": "1"}
"""A hand-over that cost an attempt would end the turn as a dead letter."""

GUESTS = ("guest-204", "guest-107", "guest-302", "guest-110")


async def epochs_of_chunks(redis_url: str, gateway: str, turn: str) -> list[int]:
    """Which run said each piece that a gateway was sent, in order."""
    async with Bus(BusSettings(redis_url=redis_url)) as bus:
        entries = await bus.commands.send("XRANGE", Keys().chunks(gateway), "-", "+")
    fields = [dict(zip(body[::2], body[1::2], strict=True)) for _, body in entries]
    return [int(one[b"e"]) for one in fields if one.get(b"t") == turn.encode() and b"o" in one]


async def test_a_brain_that_was_stopped_says_nothing_more_when_it_wakes(redis_url: str, tmp_path: Path) -> None:
    hotel, env = tmp_path / "h.sqlite3", {**SLOWLY, "BOTEL_BUS_LEASE_MS": "3000"}  # a machine stalls for less
    async with running_brains(2, redis_url, hotel, **env) as brains, visiting(redis_url) as guest:
        turn = await guest.say(TOUR)
        await guest.listen(words=10)
        sleeper = await busy_one(brains)
        [other] = [brain for brain in brains if brain is not sleeper]
        sleeper.pause()
        await eventually(other.busy, within_s=60)
        sleeper.resume()
        await eventually(sleeper.idle, within_s=60)
        reply = await guest.answer()

        assert reply.status is ReplyStatus.FINISHED
        assert reply.text.endswith("until one in the morning.")
        assert reply.text.count("Let me take you") == 1
        said = await epochs_of_chunks(redis_url, guest.gateway_id, turn)
        assert said == sorted(said), "nothing of the run before is sent behind its successor's words"
        assert len(set(said)) == 2
        await eventually(lambda: sleeper.ask("/readyz"), within_s=60)
        await other.end()
        assert (await guest.hear(text="when is breakfast")).text.startswith("Breakfast is served")


@pytest.mark.long
async def test_a_turn_is_handed_over_at_the_end_of_the_grace_period(redis_url: str, tmp_path: Path) -> None:
    hotel, env = tmp_path / "h.sqlite3", {**SLOWLY, **NEVER_MENDED, **ONE_ATTEMPT, "BRAIN_DRAIN_S": "0.2"}
    async with running_brains(2, redis_url, hotel, **env) as brains, visiting(redis_url) as guest:
        await guest.say(TOUR)
        await guest.listen(words=10)
        leaving = await busy_one(brains)
        ended = asyncio.create_task(leaving.end(signal.SIGTERM))
        reply = await guest.answer()

        assert await ended == 0
        assert reply.status is ReplyStatus.FINISHED
        assert reply.text.count("Let me take you") == 1
        assert reply.text.endswith("until one in the morning.")


async def test_a_second_signal_ends_the_grace_period(redis_url: str, tmp_path: Path) -> None:
    env = {"BRAIN_OFFLINE_FIRST_TOKEN_S": "60", **NEVER_MENDED, "BRAIN_DRAIN_S": "600"}
    async with running_brains(1, redis_url, tmp_path / "h.sqlite3", **env) as [brain], visiting(redis_url) as guest:
        await guest.say("hello")
        await eventually(brain.busy, within_s=60)
        brain.process.send_signal(signal.SIGTERM)

        async def drains() -> bool:
            return not await brain.ask("/readyz")

        await eventually(drains, within_s=60)
        assert brain.process.returncode is None
        assert await brain.end(signal.SIGINT) == 0


async def converse(guest: Guest, over: asyncio.Event) -> list[tuple[str, ReplyGenerated]]:
    """Ask for the tour again and again, until it is over and answered."""
    told: list[tuple[str, ReplyGenerated]] = []
    while not over.is_set():
        turn = await guest.say(TOUR)
        told.append((turn, await guest.answer()))
    return told


async def test_all_brains_are_restarted_one_by_one_and_no_guest_notices(redis_url: str, tmp_path: Path) -> None:
    hotel = tmp_path / "h.sqlite3"
    env = {"BRAIN_OFFLINE_TOKEN_S": "0.02", **NEVER_MENDED, **ONE_ATTEMPT, "BRAIN_DRAIN_S": "0.3"}
    async with contextlib.AsyncExitStack() as stack:
        old = await stack.enter_async_context(running_brains(3, redis_url, hotel, **env))
        guests = [await stack.enter_async_context(visiting(redis_url, name)) for name in GUESTS]
        over = asyncio.Event()
        talks = [asyncio.create_task(converse(guest, over)) for guest in guests]
        codes = []
        for brain in old:
            await replace(stack, redis_url, hotel, env)
            codes.append(await brain.end(signal.SIGTERM))
        over.set()
        told = await asyncio.wait_for(asyncio.gather(*talks), 240)

        assert codes == [0, 0, 0]
        for guest, answers in zip(guests, told, strict=True):
            replies = [event for event in guest.events if isinstance(event, ReplyGenerated)]
            assert [reply.turn_id for reply in replies] == [turn for turn, _ in answers], "each once, in order"
            assert {(reply.status, reply.text) for reply in replies} == {(ReplyStatus.FINISHED, replies[0].text)}
            assert replies[0].text.endswith("until one in the morning.")


async def replace(stack: contextlib.AsyncExitStack, redis_url: str, hotel: Path, env: dict[str, str]) -> Brain:
    """One more brain, ready."""
    brain = await start_brain(redis_url, hotel, **env)
    stack.push_async_callback(brain.end, signal.SIGKILL)
    await eventually(brain.ready, within_s=120)
    return brain
