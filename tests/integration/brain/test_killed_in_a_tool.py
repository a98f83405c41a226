"""A brain dies around a booking: before the hotel has it, when it has it and nobody knows, and when it is on record."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from libs.contracts.events import ReplyStatus, ToolCompleted, ToolRequested
from tests.eventually import eventually
from tests.integration.brain.brains import Guest, bookings, locked, running_brains, visiting

BOOKED = "It's booked. You can keep your room until two pm, and thirty-five euros will be added to your bill."
TOLD = "Your late check-out until two pm is booked, and thirty-five euros will be added to your bill."
DISTANT = {"BRAIN_PMS_LATENCY_S": "6", "BRAIN_TOOL_TIMEOUT_S": "20"}
"""Three seconds before the hotel has a write, three after."""
THINKING = {"BRAIN_OFFLINE_FIRST_TOKEN_S": "2"}


async def until_the_hotel_has_it(hotel: Path) -> None:
    async def booked() -> int:
        return await asyncio.to_thread(bookings, hotel)

    await eventually(booked, within_s=60)


async def kill_in_the_booking(redis_url: str, hotel: Path, guest: Guest, last: str) -> None:
    """A brain that was offered the booking by the guest's yes, and whose last deed was this."""
    async with running_brains(1, redis_url, hotel) as [polite]:
        await guest.hear(text="can i check out at two")
        await polite.end()
    env = {"requested": {}, "applied": DISTANT, "completed": THINKING}[last]
    async with running_brains(1, redis_url, hotel, **env) as [dying]:
        with locked(hotel) if last == "requested" else contextlib.nullcontext():
            await guest.say("yes please")
            await guest.listen(event=ToolCompleted if last == "completed" else ToolRequested, tool="accept_offer")
            if last == "applied":
                await until_the_hotel_has_it(hotel)
            await dying.end(signal.SIGKILL)
    assert bookings(hotel) == (0 if last == "requested" else 1)
    known = [event for event in guest.events if isinstance(event, ToolCompleted) and event.name == "accept_offer"]
    assert len(known) == (1 if last == "completed" else 0)


@pytest.mark.parametrize(
    "last",
    [pytest.param("requested", marks=pytest.mark.long), "applied", pytest.param("completed", marks=pytest.mark.long)],
)
async def test_killed_around_a_booking_the_guest_has_one_and_hears_of_it(
    redis_url: str, tmp_path: Path, last: str
) -> None:
    hotel = tmp_path / "h.sqlite3"
    async with visiting(redis_url) as guest:
        await kill_in_the_booking(redis_url, hotel, guest, last)
        async with running_brains(1, redis_url, hotel):
            reply = await guest.answer()

        assert (reply.status, reply.text) == (ReplyStatus.FINISHED, BOOKED)
        assert bookings(hotel) == 1
        mine = [e for e in guest.events if isinstance(e, ToolRequested | ToolCompleted) and e.name == "accept_offer"]
        assert [type(event) for event in mine] == [ToolRequested, ToolCompleted], "settled or reused, not called again"
        assert len({event.call_id for event in mine}) == 1


@pytest.mark.long
@pytest.mark.parametrize("last", ["requested", "applied"])
async def test_killed_in_a_booking_and_then_cancelled(redis_url: str, tmp_path: Path, last: str) -> None:
    """Nobody repeats it; what the hotel took is told at the next turn."""
    hotel = tmp_path / "h.sqlite3"
    async with visiting(redis_url) as guest:
        await kill_in_the_booking(redis_url, hotel, guest, last)
        turn = guest.events[-1].turn_id
        assert await guest.conversations.cancel("harbour", guest.conversation_id, turn) in ("running", "queued")
        async with running_brains(1, redis_url, hotel):
            reply = await guest.answer()
            assert (reply.status, reply.text) == (ReplyStatus.CANCELLED, "")
            following = await guest.hear(text="when is breakfast")

        assert following.text.startswith(f"{TOLD} Breakfast" if last == "applied" else "Breakfast is served")
        assert bookings(hotel) == (1 if last == "applied" else 0)


async def test_a_brain_that_slept_in_a_booking_books_nothing_more_when_it_wakes(redis_url: str, tmp_path: Path) -> None:
    hotel, url = tmp_path / "h.sqlite3", redis_url
    async with visiting(url) as guest:
        async with running_brains(1, url, hotel) as [polite]:
            await guest.hear(text="can i check out at two")
            await polite.end()
        async with running_brains(1, url, hotel, BRAIN_TOOL_TIMEOUT_S="60") as [sleeper]:
            with locked(hotel):
                await guest.say("yes please")
                await guest.listen(event=ToolRequested, tool="accept_offer")
                sleeper.pause()
            async with running_brains(1, url, hotel) as [successor]:
                reply = await guest.answer()
                assert reply.text == BOOKED
                sleeper.resume()
                await eventually(sleeper.idle, within_s=60)
                await eventually(lambda: sleeper.ask("/readyz"), within_s=60)
                await successor.end()
            following = await guest.hear(text="when is breakfast")

        assert following.text.startswith("Breakfast is served"), "it serves again, and the booking was told"
        assert bookings(hotel) == 1
        done = [e for e in guest.events if isinstance(e, ToolCompleted) and e.name == "accept_offer"]
        assert len(done) == 1
