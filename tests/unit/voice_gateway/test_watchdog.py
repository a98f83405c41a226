"""The watchdog of calls: another agent while the guest is there, an end when nobody is; what is unknown is kept."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from libs.bus.calls import Overdue
from libs.contracts.calls import CallTicket
from libs.contracts.errors import BusUnavailable, UnknownConversation
from libs.contracts.events import CallEnded
from libs.observability import names
from services.voice_gateway.domain.takeover import Attendance
from tests.unit.voice_gateway.fake_watch import NOW_MS, TICKET, Watch, lost


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def test_another_agent_is_sent_to_a_guest_who_is_left_alone(watch: Watch) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    await watch.dog.attend(lost())
    sent = watch.rooms.sent.get_nowait()
    assert (sent.takeover, sent.conversation_id, sent.guest) == (1, "conv-1", "anna")
    assert watch.leases.confirmed == ["look-1"]
    assert not watch.leases.forgotten and not watch.log.events, "the call goes on"  # noqa: PT018
    assert watch.counted(names.WATCHDOG_TAKEOVERS) == 1


async def test_a_guest_whom_nobody_has_answered_yet_is_greeted_and_not_apologised_to(watch: Watch) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    await watch.dog.attend(lost(epoch=0))
    assert watch.rooms.sent.get_nowait().takeover == 0
    watch.rooms.attendances.clear()
    await watch.dog.attend(lost(epoch=0))
    assert not watch.log.events, "what never began does not end"
    assert watch.leases.forgotten == [("call-1", 0)]


async def test_a_session_that_nobody_enters_is_no_lost_call(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await watch.dog.attend(lost(epoch=0))
    assert watch.leases.forgotten == [("call-1", 0)]
    assert not caplog.records, "an operator has nothing to look after"
    assert watch.counted(names.WATCHDOG_LEASES_LOST) == 0
    assert watch.counted(names.WATCHDOG_CALLS_ENDED, why="guest-gone") == 0
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    await watch.dog.attend(lost(epoch=0))
    assert watch.counted(names.WATCHDOG_LEASES_LOST) == 1, "a guest waits, and nobody answers"


async def test_nobody_is_sent_when_the_gateway_came_back_meanwhile(watch: Watch) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    watch.leases.reserved = False
    await watch.dog.attend(lost())
    assert watch.rooms.sent.empty()
    watch.rooms.attendances.clear()
    await watch.dog.attend(lost())
    assert not watch.log.events
    assert not watch.leases.forgotten


async def test_a_call_whose_room_is_gone_is_ended_as_the_gateway_would_have(watch: Watch) -> None:
    await watch.dog.attend(lost(epoch=3))
    (ended,) = watch.log.events.values()
    assert isinstance(ended, CallEnded)
    assert (ended.id, ended.call_id, ended.reason) == ("call-1.ended", "call-1", "gateway-lost")
    assert (ended.time_ms, ended.duration_ms, ended.conversation_id) == (NOW_MS, 61_000, "conv-1")
    assert watch.log.context["call"] == ""
    assert watch.leases.forgotten == [("call-1", 3)]
    assert watch.rooms.closed == []
    assert watch.counted(names.WATCHDOG_CALLS_ENDED, why="guest-gone") == 1


async def test_the_end_of_a_lost_call_leaves_the_guest_in_the_call_that_they_are_in_by_now(watch: Watch) -> None:
    watch.log.context["call"] = "call-2"
    await watch.dog.attend(lost())
    assert list(watch.log.events) == ["call-1.ended"]
    assert watch.log.context["call"] == "call-2"


async def test_a_guest_who_lost_the_connection_too_may_come_back(watch: Watch) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.NOBODY
    await watch.dog.attend(lost(alone_ms=19_000))
    assert not watch.leases.forgotten
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    await watch.dog.attend(lost(alone_ms=19_500))
    assert watch.rooms.sent.get_nowait().takeover == 1


async def test_a_guest_who_does_not_come_back_finds_no_silent_room(watch: Watch) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.NOBODY
    await watch.dog.attend(lost(alone_ms=20_000))
    assert watch.rooms.closed == ["call-1"]
    assert watch.leases.forgotten == [("call-1", 1)]
    assert list(watch.log.events) == ["call-1.ended"]


@pytest.mark.parametrize(
    "poisonous",
    [lost(CallTicket(call_id="call-1", property_id="harbour", guest="anna", takeover=2)), lost(dispatches=3)],
)
async def test_a_call_that_kills_gateways_is_ended(watch: Watch, poisonous: Overdue) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    await watch.dog.attend(poisonous)
    assert watch.rooms.sent.empty()
    assert watch.rooms.closed == ["call-1"]
    assert watch.leases.forgotten == [("call-1", 1)]
    assert watch.counted(names.WATCHDOG_CALLS_ENDED, why="given-up") == 1


async def test_a_call_that_is_handed_over_time_and_again_is_no_call_that_kills_gateways(watch: Watch) -> None:
    """Gateways are replaced one after the other during a long call: nobody has died."""
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    ticket = TICKET
    for epoch in range(1, 8):
        await watch.dog.attend(lost(ticket, epoch=epoch, left=True))
        ticket = watch.rooms.sent.get_nowait()
    assert (ticket.takeover, ticket.handovers) == (7, 7)
    assert watch.counted(names.WATCHDOG_LEASES_LOST) == 0
    for epoch in range(8, 10):
        await watch.dog.attend(lost(ticket, epoch=epoch))
        ticket = watch.rooms.sent.get_nowait()
    assert (ticket.takeover, ticket.handovers) == (9, 7)
    await watch.dog.attend(lost(ticket, epoch=10, left=True))
    assert watch.rooms.sent.get_nowait().handovers == 8, "two have died, and may"
    await watch.dog.attend(lost(ticket, epoch=10))
    assert watch.rooms.sent.empty()
    assert watch.rooms.closed == ["call-1"]


async def test_nothing_is_forgotten_while_livekit_does_not_answer(watch: Watch) -> None:
    watch.rooms.reachable = False
    await watch.dog.attend(lost(alone_ms=3_600_000, dispatches=9))
    assert not watch.leases.forgotten
    assert not watch.leases.confirmed, "no agent was sent: none is counted"
    assert not watch.log.events


async def test_nothing_is_forgotten_while_the_end_cannot_be_recorded(watch: Watch) -> None:
    watch.log.fails = BusUnavailable()
    await watch.dog.attend(lost())
    assert not watch.leases.forgotten
    watch.log.fails = None
    await watch.dog.attend(lost())
    assert watch.leases.forgotten == [("call-1", 1)]
    assert watch.counted(names.WATCHDOG_LEASES_LOST) == 1, "one lease, looked at twice"


async def test_a_call_without_a_conversation_is_forgotten_all_the_same(watch: Watch) -> None:
    watch.log.fails = UnknownConversation()
    await watch.dog.attend(lost())
    await watch.dog.attend(lost(CallTicket(call_id="call-2", property_id="harbour")))
    assert watch.leases.forgotten == [("call-1", 1), ("call-2", 1)]


async def test_a_bug_in_one_call_leaves_the_others_alone(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watch.log.fails = ValueError("bad")
    with caplog.at_level(logging.ERROR):
        await watch.dog.attend(lost())
    assert [record.getMessage() for record in caplog.records] == ["call cannot be looked after"]


async def test_a_slow_livekit_makes_no_look_late(watch: Watch) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    watch.rooms.hangs = asyncio.Event()
    running = asyncio.create_task(watch.dog.run())
    for found in ([lost()], BusUnavailable(), []):
        watch.leases.given.put_nowait(found)
    async with asyncio.timeout(8):
        while len(watch.leases.limits) < 4:
            await asyncio.wait({running}, timeout=0.005)
    assert watch.leases.limits == [32, 31, 31, 31], "what is under way is not taken on again"
    watch.rooms.hangs.set()
    assert (await asyncio.wait_for(watch.rooms.sent.get(), 8)).takeover == 1
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_look_that_breaks_does_not_end_the_gateway(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watch.rooms.attendances["call-1/anna"] = Attendance.GUEST
    for found in (ValueError("damaged by hand"), [lost()]):
        watch.leases.given.put_nowait(found)
    running = asyncio.create_task(watch.dog.run())
    assert (await asyncio.wait_for(watch.rooms.sent.get(), 8)).takeover == 1
    assert "calls cannot be looked at" in caplog.text
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_watchdog_that_ends_leaves_nothing_behind(watch: Watch) -> None:
    watch.rooms.hangs = asyncio.Event()
    watch.leases.given.put_nowait([lost()])
    before = asyncio.all_tasks()
    running = asyncio.create_task(watch.dog.run())
    async with asyncio.timeout(8):
        while len(watch.leases.limits) < 2:
            await asyncio.wait({running}, timeout=0.005)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == before
