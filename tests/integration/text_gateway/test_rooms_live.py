"""Voice sessions on a real LiveKit server: its tokens, its rooms, its webhooks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from livekit import api, rtc
from pydantic import SecretStr

from deploy.local.ports import free_port
from libs.bus.bus import Bus
from libs.bus.conversations import Conversations, Snapshot
from libs.bus.settings import BusSettings
from libs.contracts.calls import AGENT_NAME, decode_ticket
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import AnyEvent, CallEnded, CallStarted
from libs.rooms import RoomSettings
from services.text_gateway.livekit_rooms import LiveKitRooms
from services.text_gateway.ports import Admission
from services.text_gateway.settings import VoiceSessionSettings
from tests.eventually import eventually
from tests.integration.text_gateway.gateway import Gateway, bus_settings, keys_of_conversations, running_gateway
from tests.integration.text_gateway.processes import running_gateways
from tests.servers.livekit import LiveKitServer, need_livekit, running_livekit
from tests.servers.redis import RedisServer
from tests.unit.text_gateway.rooms_promises import keeps_its_promises

URL = "/llm/voice/sessions"
GUEST = {"customerId": "C-1"}


class Hotel:
    """A gateway, the LiveKit server that tells it of rooms, and the bus below."""

    def __init__(self, gateway: Gateway, server: LiveKitServer, lk: api.LiveKitAPI, bus: Conversations) -> None:
        self.gateway, self.server, self.lk, self.bus = gateway, server, lk, bus

    async def session(self, **who: str) -> dict[str, Any]:
        answer = await self.gateway.client.post(URL, json=who or GUEST)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def room(self, name: str) -> api.Room | None:
        found = await self.lk.room.list_rooms(api.ListRoomsRequest(names=[name]))
        return next(iter(found.rooms), None)

    async def read(self, conversation_id: str) -> Snapshot:
        return await self.bus.read("harbour", conversation_id)

    async def calls(self, conversation_id: str) -> list[AnyEvent]:
        events = (await self.read(conversation_id)).events
        return [event for event in events if isinstance(event, CallStarted | CallEnded)]


def where(server: LiveKitServer) -> RoomSettings:
    return RoomSettings(url=server.url, api_key=server.keys.key, api_secret=SecretStr(server.keys.secret))


@pytest.fixture
async def hotel(redis_url: str) -> AsyncIterator[Hotel]:
    need_livekit()
    async with running_hotel(redis_url) as made:
        yield made


@contextlib.asynccontextmanager
async def running_hotel(redis_url: str, its_bus: BusSettings | None = None) -> AsyncIterator[Hotel]:
    """`its_bus`: other settings of the gateway's bus than the usual."""
    port = free_port()
    with running_livekit(webhooks=[f"http://127.0.0.1:{port}/llm/voice/webhook"]) as server:
        settings = VoiceSessionSettings(timeout_s=20, departure_timeout_s=120)
        async with (
            running_gateway(
                redis_url, its_bus, port=port, room_settings=where(server), session_settings=settings
            ) as gateway,
            Bus(bus_settings(redis_url), name="test") as bus,
            server.api() as lk,
        ):
            yield Hotel(gateway, server, lk, Conversations(bus))


@contextlib.asynccontextmanager
async def entered(session: dict[str, Any]) -> AsyncIterator[rtc.Room]:
    room = rtc.Room()
    await room.connect(session["url"], session["token"])
    try:
        yield room
    finally:
        await room.disconnect()


async def test_livekits_rooms_keep_their_promises() -> None:
    need_livekit()

    def enter(admission: Admission) -> contextlib.AbstractAsyncContextManager[rtc.Room]:
        return entered({"url": admission.url, "token": admission.token})

    settings = VoiceSessionSettings(timeout_s=20)
    with running_livekit() as server:
        async with LiveKitRooms(where(server), settings, now_ms=lambda: 0) as rooms:
            await keeps_its_promises(rooms, enter)


async def test_a_gateway_finds_livekit_in_its_environment(redis_url: str) -> None:
    need_livekit()
    with running_livekit() as server:
        async with running_gateways(1, redis_url, BOTEL_SESSION_TIMEOUT_S="20", **server.env) as (gateway,):
            answer = await gateway.client.post(URL, json=GUEST)

            assert (answer.status_code, answer.json()["url"]) == (201, server.url)


async def test_a_token_makes_the_room_and_calls_the_concierge_into_it(hotel: Hotel, redis_url: str) -> None:
    session = await hotel.session()
    assert await keys_of_conversations(redis_url)
    assert await hotel.room(session["room"]) is None  # nothing is made for somebody who may never come

    async with entered(session) as guest:
        room = await hotel.room(session["room"])
        dispatches = await hotel.lk.agent_dispatch.list_dispatch(session["room"])

        assert room
        assert guest.local_participant.identity == f"guest-{session['conversationId']}"
        ticket = decode_ticket(room.metadata)
        assert (ticket.call_id, ticket.conversation_id) == (session["room"], session["conversationId"])
        assert (ticket.guest, ticket.customer_id) == (guest.local_participant.identity, "C-1")
        assert (room.empty_timeout, room.departure_timeout, room.max_participants) == (60, 120, 4)
        (dispatch,) = dispatches
        assert (dispatch.agent_name, decode_ticket(dispatch.metadata)) == (AGENT_NAME, ticket)


async def test_a_guests_token_is_no_key_to_the_server(hotel: Hotel) -> None:
    session = await hotel.session()
    async with entered(session), api.LiveKitAPI.with_token(session["token"], hotel.server.url) as guest:
        for attempt in (
            guest.room.list_rooms(api.ListRoomsRequest()),
            guest.room.update_room_metadata(api.UpdateRoomMetadataRequest(room=session["room"], metadata="mine")),
            guest.room.delete_room(api.DeleteRoomRequest(room=session["room"])),
            guest.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name=AGENT_NAME, room=session["room"])
            ),
        ):
            with pytest.raises(api.ServerError) as refused:
                await attempt
            assert refused.value.status in {401, 403}


async def test_the_servers_own_webhooks_begin_and_end_the_call(hotel: Hotel) -> None:
    session = await hotel.session()
    conversation = session["conversationId"]
    async with entered(session):
        (started,) = await eventually(lambda: hotel.calls(conversation))
        assert started.id == f"{session['callId']}.started"
        assert (await hotel.read(conversation)).context["call"] == session["callId"]
        await hotel.lk.room.delete_room(api.DeleteRoomRequest(room=session["room"]))

    started, ended = await eventually(lambda: hotel.calls(conversation), lambda calls: len(calls) == 2)

    assert isinstance(ended, CallEnded)
    assert (ended.id, ended.reason) == (f"{session['callId']}.ended", "room-finished")
    assert ended.duration_ms >= 0
    assert "call" not in (await hotel.read(conversation)).context
    again = await hotel.session()
    assert (again["conversationId"], again["rejoined"]) == (conversation, False)
    assert again["room"] != session["room"]


async def test_the_guest_comes_back_into_the_same_call_and_no_second_concierge_does(hotel: Hotel) -> None:
    session = await hotel.session()
    async with entered(session) as first:
        await eventually(lambda: hotel.calls(session["conversationId"]))
        replaced: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        first.on("disconnected", replaced.set_result)

        again = await hotel.session(conversationId=session["conversationId"])

        assert (again["rejoined"], again["room"]) == (True, session["room"])
        async with entered(again):
            async with asyncio.timeout(30):
                assert await replaced == rtc.DisconnectReason.DUPLICATE_IDENTITY
            listed = await hotel.lk.room.list_participants(api.ListParticipantsRequest(room=session["room"]))
            assert [one.identity for one in listed.participants] == [f"guest-{session['conversationId']}"]
            assert len(await hotel.lk.agent_dispatch.list_dispatch(session["room"])) == 1
            room = await hotel.room(session["room"])
            assert room
            assert decode_ticket(room.metadata).call_id == session["callId"]

    assert [event.id for event in await hotel.calls(session["conversationId"])] == [f"{session['callId']}.started"]


async def test_a_guest_who_was_away_comes_back_into_the_room_that_waits_for_them(hotel: Hotel) -> None:
    session = await hotel.session()
    async with entered(session):
        await eventually(lambda: hotel.calls(session["conversationId"]))

    again = await hotel.session()

    assert (again["rejoined"], again["room"]) == (True, session["room"])
    async with entered(again):
        assert len(await hotel.lk.agent_dispatch.list_dispatch(session["room"])) == 1


async def test_a_webhook_that_met_a_bus_outage_is_sent_again(own_redis: RedisServer) -> None:
    need_livekit()
    async with running_hotel(own_redis.url, bus_settings(own_redis.url, command_timeout_ms=500)) as hotel:
        session = await hotel.session()
        own_redis.stop()
        async with entered(session):
            await eventually(lambda: refused_webhooks(hotel.gateway))
            own_redis.start()

            (started,) = await eventually(lambda: calls_when_it_is_back(hotel, session["conversationId"]))

    assert started.id == f"{session['callId']}.started"


async def refused_webhooks(gateway: Gateway) -> bool:
    metrics = (await gateway.client.get("/metrics")).text
    return 'botel_voice_webhooks_total{event="participant_joined",outcome="bus-unavailable"}' in metrics


async def calls_when_it_is_back(hotel: Hotel, conversation_id: str) -> list[AnyEvent]:
    with contextlib.suppress(BusUnavailable):
        return await hotel.calls(conversation_id)
    return []


async def test_a_key_that_the_server_does_not_know_is_told_from_a_server_that_is_down(redis_url: str) -> None:
    need_livekit()
    with running_livekit() as server:
        wrong = RoomSettings(url=server.url, api_key=server.keys.key, api_secret=SecretStr("x" * 43))
        async with running_gateway(redis_url, room_settings=wrong) as gateway:
            refused = await gateway.client.post(URL, json=GUEST)
            assert (refused.status_code, refused.json()["code"]) == (503, "rooms-refused")

        async with running_gateway(redis_url, room_settings=where(server)) as gateway:
            server.stop()
            down = await gateway.client.post(URL, json=GUEST)
            assert (down.status_code, down.json()["code"]) == (503, "rooms-unavailable")
            server.start()
            assert (await gateway.client.post(URL, json=GUEST)).status_code == 201
