"""What was promised in a reply waits for its end."""

from __future__ import annotations

import asyncio

import pytest

from services.voice_gateway.spoken import _KEPT, Spoken

SOON = 5.0


async def waiting(spoken: Spoken, turn_id: str, within_s: float = SOON) -> asyncio.Task[bool]:
    """Somebody who waits, and has begun to."""
    task = asyncio.create_task(spoken.wait(turn_id, within_s))
    await asyncio.wait({task}, timeout=0)
    return task


@pytest.mark.parametrize("complete", [True, False])
async def test_it_waits_for_the_end_of_the_reply(complete: bool) -> None:
    spoken = Spoken()
    spoken.asked("t1")
    task = await waiting(spoken, "t1")
    assert not task.done()

    spoken.settled("t1", complete=complete)
    assert await task is complete
    assert await spoken.wait("t1", SOON) is complete


async def test_a_guest_who_has_spoken_since_has_gone_on() -> None:
    spoken = Spoken()
    spoken.asked("t1")
    spoken.settled("t1", complete=True)
    spoken.asked("t2")

    assert await spoken.wait("t1", SOON) is False


async def test_there_is_nothing_to_wait_for_in_another_s_turn() -> None:
    assert await Spoken().wait("t9", SOON) is True


async def test_a_reply_that_never_ends_counts_as_cut() -> None:
    spoken = Spoken()
    spoken.asked("t1")

    assert await spoken.wait("t1", 0) is False
    spoken.settled("t1", complete=True)
    assert await spoken.wait("t1", SOON) is True


async def test_only_the_first_outcome_counts_and_old_ones_are_forgotten() -> None:
    spoken = Spoken()
    spoken.asked("t0")
    spoken.settled("t0", complete=False)
    spoken.settled("t0", complete=True)
    assert await spoken.wait("t0", SOON) is False
    for number in range(1, _KEPT + 2):
        spoken.asked(f"t{number}")

    assert await spoken.wait("t0", SOON) is True, "it is as if it was another's"
