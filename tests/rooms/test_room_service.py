"""Rooms from outside, on a real server: who is left in one, another agent for it, its end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import pytest
from livekit import api, rtc
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from libs.bus.bus import Bus
from libs.bus.calls import CallCount, Calls
from libs.bus.conversations import Conversations
from libs.bus.settings import BusSettings
from libs.contracts.calls import AGENT_NAME, CallTicket, decode_ticket
from libs.contracts.events import CallEnded
from libs.rooms import RoomSettings
from services.voice_gateway.domain.takeover import Attendance
from services.voice_gateway.room_ports import RoomsUnavailable
from services.voice_gateway.room_service import LiveKitRooms
from services.voice_gateway.watchdog import Watchdog, WatchdogMetrics, WatchdogSettings
from tests.bus.support.conversation import NOW, PROPERTY, opened
from tests.eventually import eventually
from tests.servers.livekit import LiveKitServer

Join = Callable[..., Awaitable[rtc.Room]]


def settings(server: LiveKitServer) -> RoomSettings:
    return RoomSettings(url=server.url, api_key=server.keys.key, api_secret=SecretStr(server.keys.secret))


@pytest.fixture
def room() -> str:
    return f"call-{uuid.uuid4().hex}"


@pytest.fixture
async def rooms(livekit_server: LiveKitServer) -> AsyncIterator[LiveKitRooms]:
    async with LiveKitRooms(settings(livekit_server), timeout_s=10) as made:
        yield made


@pytest.fixture
async def join(livekit_server: LiveKitServer) -> AsyncIterator[Join]:
    """Puts somebody into a room, until the end of the test at the latest."""
    async with AsyncExitStack() as stack:

        async def joined(name: str, identity: str, *, agent: bool = False) -> rtc.Room:
            token = (
                api.AccessToken(livekit_server.keys.key, livekit_server.keys.secret)
                .with_identity(identity)
                .with_ttl(timedelta(minutes=10))
                .with_kind("agent" if agent else "standard")
                .with_grants(api.VideoGrants(room_join=True, room=name, agent=agent))
            )
            made = rtc.Room()
            await made.connect(livekit_server.url, token.to_jwt())
            stack.push_async_callback(made.disconnect)
            return made

        yield joined


async def test_a_room_that_never_was_is_told_from_one_that_the_guest_has_left(
    rooms: LiveKitRooms, room: str, join: Join
) -> None:
    assert await rooms.attendance(room, "anna") is Attendance.NO_ROOM
    anna = await join(room, "anna")
    assert await rooms.attendance(room, "anna") is Attendance.GUEST
    assert await rooms.attendance(room, "") is Attendance.GUEST
    await anna.disconnect()
    assert await eventually(lambda: rooms.attendance(room, "anna"), lambda it: it is not Attendance.GUEST) in (
        Attendance.NOBODY,
        Attendance.NO_ROOM,
    )


async def test_neither_an_agent_nor_somebody_else_is_the_guest(rooms: LiveKitRooms, room: str, join: Join) -> None:
    await join(room, "concierge", agent=True)
    assert await rooms.attendance(room, "") is Attendance.NOBODY
    await join(room, "desk")
    assert await rooms.attendance(room, "") is Attendance.GUEST
    assert await rooms.attendance(room, "anna") is Attendance.NOBODY


async def test_another_agent_is_asked_for_with_the_ticket(
    rooms: LiveKitRooms, room: str, join: Join, livekit_server: LiveKitServer
) -> None:
    await join(room, "anna")
    wanted = CallTicket(call_id=room, property_id=PROPERTY, conversation_id="conv-1", guest="anna", takeover=1)
    await rooms.send_agent(wanted)
    assert await dispatched(livekit_server, room) == [wanted]


async def test_a_closed_room_is_gone_for_everybody_and_can_be_closed_again(
    rooms: LiveKitRooms, room: str, join: Join
) -> None:
    anna, left = await join(room, "anna"), asyncio.Event()
    anna.on("disconnected", lambda *_: left.set())
    await rooms.close(room)
    await asyncio.wait_for(left.wait(), 20)
    assert await eventually(lambda: rooms.attendance(room, "anna"), lambda it: it is Attendance.NO_ROOM)
    await rooms.close(room)


async def test_a_wrong_secret_says_nothing_of_the_room(livekit_server: LiveKitServer, room: str) -> None:
    wrong = settings(livekit_server).model_copy(update={"api_secret": SecretStr("wrong" * 8)})
    async with LiveKitRooms(wrong, timeout_s=10) as rooms:
        for asked in (
            rooms.attendance(room, ""),
            rooms.close(room),
            rooms.send_agent(CallTicket(call_id=room, property_id="p")),
        ):
            with pytest.raises(RoomsUnavailable):
                await asked


async def test_a_call_whose_gateway_died_goes_on_with_another_and_ends_with_the_room(
    rooms: LiveKitRooms, room: str, join: Join, livekit_server: LiveKitServer, redis_url: str
) -> None:
    await join(room, "anna")
    ticket = CallTicket(call_id=room, property_id=PROPERTY, conversation_id="conv-1", guest="anna")
    async with watched(redis_url, rooms) as (calls, conversations):
        await conversations.open(opened("conv-1"), {"property_id": PROPERTY, "call": room})
        async with calls.hold(ticket, "job-1"):
            pass  # never ended, as after kill -9
        (sent,) = await eventually(lambda: dispatched(livekit_server, room))
        assert sent.takeover == 1
        async with calls.hold(sent, "job-2") as lease:
            assert lease.epoch == 2
            assert not await calls.renew(ticket, "job-1", 1), "the zombie is fenced"
        await rooms.close(room)
        await eventually(calls.count, lambda count: count == CallCount(0, 0))
        kept = await conversations.read(PROPERTY, "conv-1")
    ended = kept.events[-1]
    assert isinstance(ended, CallEnded)
    assert (ended.id, ended.reason, ended.call_id) == (f"{room}.ended", "gateway-lost", room)
    assert "call" not in kept.context


@asynccontextmanager
async def watched(redis_url: str, rooms: LiveKitRooms) -> AsyncIterator[tuple[Calls, Conversations]]:
    """A gateway's bus, and a watchdog at work."""
    short = BusSettings(redis_url=SecretStr(redis_url), call_lease_ms=1_000, call_renew_ms=100, call_reserve_ms=10_000)
    async with Bus(short) as bus:
        conversations, quick = Conversations(bus), WatchdogSettings(look_s=0.1)
        metrics = WatchdogMetrics(CollectorRegistry())
        dog = Watchdog(Calls(bus), rooms, conversations, quick, metrics, now_ms=lambda: NOW)
        running = asyncio.create_task(dog.run())
        yield Calls(bus), conversations
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def dispatched(server: LiveKitServer, room: str) -> list[CallTicket]:
    """Tickets of the agents that were asked for."""
    async with server.api() as lk:
        asked = await lk.agent_dispatch.list_dispatch(room)
    return [decode_ticket(one.metadata) for one in asked if one.agent_name == AGENT_NAME]
