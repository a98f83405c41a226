"""A voice session: the guest's conversation, a token for one room, the way back into a call, nothing half-opened."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.calls import CallTicket, decode_ticket, encode_ticket
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import Channel, ConversationOpened
from services.text_gateway.domain.calls import call_started
from services.text_gateway.errors import RoomsRefused, RoomsUnavailable
from services.text_gateway.ports import Admission, Room
from tests.unit.text_gateway.fake_bus import FakeBus
from tests.unit.text_gateway.fake_rooms import FakeRooms, FakeToken
from tests.unit.text_gateway.rooms_promises import keeps_its_promises

URL, CHAT = "/llm/voice/sessions", "/llm/conversations/"
GUEST = {"propertyId": "harbour", "customerId": "C-1"}


def token_of(answer: httpx.Response) -> FakeToken:
    return msgspec.json.decode(answer.json()["token"], type=FakeToken)


async def in_a_call(bus: FakeBus, answer: httpx.Response) -> CallTicket:
    """What happens when the guest enters and the voice gateway reports it."""
    ticket = decode_ticket(token_of(answer).metadata)
    await bus.append(call_started(ticket, 1), {"call": ticket.call_id})
    return ticket


async def test_a_session_opens_the_guests_conversation_and_a_room_of_its_own(
    caller: httpx.AsyncClient, bus: FakeBus
) -> None:
    answer = await caller.post(URL, json=GUEST)

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert body["room"] == body["callId"] == token_of(answer).room
    assert (body["url"], body["rejoined"]) == ("ws://rooms", False)
    assert body["expiresAt"] == "2027-01-15T08:00:00Z"
    ticket = decode_ticket(token_of(answer).metadata)
    assert ticket == CallTicket(
        call_id=body["callId"],
        property_id="harbour",
        conversation_id=body["conversationId"],
        customer_id="C-1",
        guest=token_of(answer).identity,
    )
    (opened,) = bus.logs[body["conversationId"]]
    assert isinstance(opened, ConversationOpened)
    assert (opened.channel, opened.customer_id) == (Channel.VOICE, "C-1")


async def test_the_rooms_in_memory_keep_livekits_promises(rooms: FakeRooms) -> None:
    @contextlib.asynccontextmanager
    async def enter(admission: Admission) -> AsyncIterator[None]:
        rooms.enter(admission.token)
        yield

    await keeps_its_promises(rooms, enter)


async def test_voice_and_text_are_one_conversation(caller: httpx.AsyncClient) -> None:
    async def where(url: str, **who: object) -> Any:
        return (await caller.post(url, json={"message": "Hi", **who})).json()["conversationId"]

    mine = await where(CHAT, customerId="C-1")

    assert await where(URL, customerId="C-1") == mine
    assert await where(URL, conversationId=mine) == mine
    assert len({mine, await where(URL), await where(URL), await where(URL, reservationId="C-1")}) == 4


async def test_who_takes_part_in_a_conversation_is_its_guest(caller: httpx.AsyncClient) -> None:
    mine = (await caller.post(CHAT, json={"message": "Hi", "customerId": "C-1", "reservationId": "R-1"})).json()

    answer = await caller.post(URL, json={"conversationId": mine["conversationId"]})

    ticket = decode_ticket(token_of(answer).metadata)
    assert (ticket.customer_id, ticket.reservation_id) == ("C-1", "R-1")


@pytest.mark.parametrize("how", ["identity", "conversation"])
async def test_the_guest_comes_back_into_the_same_call(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms, how: str
) -> None:
    first = await caller.post(URL, json=GUEST)
    rooms.enter(first.json()["token"])
    await in_a_call(bus, first)
    who = GUEST if how == "identity" else {"conversationId": first.json()["conversationId"]}

    again = await caller.post(URL, json=who)

    assert again.json()["rejoined"]
    assert token_of(again) == token_of(first)  # the same identity, too: the server ends the old connection


@pytest.mark.parametrize("how", ["identity", "conversation"])
async def test_a_call_whose_room_is_gone_is_not_come_back_into(
    caller: httpx.AsyncClient, bus: FakeBus, how: str
) -> None:
    first = await caller.post(URL, json=GUEST)
    await in_a_call(bus, first)
    who = GUEST if how == "identity" else {"conversationId": first.json()["conversationId"]}

    again = await caller.post(URL, json=who)

    assert again.status_code == 201
    assert not again.json()["rejoined"]
    assert again.json()["callId"] != first.json()["callId"]
    assert token_of(again).identity == token_of(first).identity


@pytest.mark.parametrize(
    ("metadata", "rejoined"),
    [
        ("", False),
        ("no ticket", False),
        (encode_ticket(CallTicket(call_id="other", property_id="harbour", conversation_id="{c}")), False),
        (encode_ticket(CallTicket(call_id="call-1", property_id="hill", conversation_id="{c}")), False),
        (encode_ticket(CallTicket(call_id="call-1", property_id="harbour", conversation_id="conv-2")), False),
        (encode_ticket(CallTicket(call_id="call-1", property_id="harbour", guest="sip_49")), True),
    ],
    ids=["bare", "foreign", "another-call", "another-property", "another-conversation", "by-phone"],
)
async def test_whose_room_the_named_one_is(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms, metadata: str, rejoined: bool
) -> None:
    conversation = (await caller.post(CHAT, json={"message": "Hi", **GUEST})).json()["conversationId"]
    ticket = CallTicket(call_id="call-1", property_id="harbour", conversation_id=conversation)
    await bus.append(call_started(ticket, 1), {"call": "call-1"})
    rooms.rooms["call-1"] = Room("call-1", metadata.replace("{c}", conversation))

    answer = await caller.post(URL, json=GUEST)

    assert answer.json()["rejoined"] == rejoined
    assert token_of(answer).identity == f"guest-{conversation}"  # beside a caller by phone, never in their place


@pytest.mark.parametrize("error", [RoomsUnavailable(), RoomsRefused()], ids=lambda error: error.code)
@pytest.mark.parametrize("known", [False, True], ids=["stranger", "known"])
@pytest.mark.parametrize("named", [False, True], ids=["identity", "conversation"])
async def test_without_livekit_nothing_is_opened(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms, error: Exception, known: bool, named: bool
) -> None:
    ours: dict[str, str] = {}
    if known:
        ours = {"conversationId": (await caller.post(CHAT, json={"message": "Hi", **GUEST})).json()["conversationId"]}
    before = {conversation: list(log) for conversation, log in bus.logs.items()}
    rooms.refuse = error

    answer = await caller.post(URL, json=ours if named else GUEST)

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["code"] == error.code  # type: ignore[attr-defined]
    assert bus.logs == before


async def test_livekit_that_fails_between_two_questions_leaves_a_known_conversation_as_it_was(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    first = await caller.post(URL, json=GUEST)
    ticket = await in_a_call(bus, first)
    before = list(bus.logs[ticket.conversation_id])
    find = rooms.find

    async def find_once(name: str) -> Room | None:
        if name == ticket.call_id:
            raise RoomsUnavailable
        return await find(name)

    rooms.find = find_once  # type: ignore[method-assign]

    answer = await caller.post(URL, json=GUEST)

    assert (answer.status_code, answer.json()["code"]) == (503, "rooms-unavailable")
    assert bus.logs == {ticket.conversation_id: before}


@pytest.mark.parametrize("who", [GUEST, {"propertyId": "harbour"}], ids=["identity", "stranger"])
async def test_nothing_is_asked_of_livekit_once_a_conversation_was_opened(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms, who: dict[str, str]
) -> None:
    find, known = rooms.find, list[int]()

    async def find_before(name: str) -> Room | None:
        known.append(len(bus.logs))
        if bus.logs:
            raise RoomsUnavailable
        return await find(name)

    rooms.find = find_before  # type: ignore[method-assign]

    answer = await caller.post(URL, json=who)

    assert (answer.status_code, len(bus.logs)) == (201, 1)
    assert known == [0], "one question, before"


async def test_without_configuration_a_typed_503_and_text_all_the_same(client: httpx.AsyncClient, bus: FakeBus) -> None:
    answer = await client.post(URL, json=GUEST)

    assert (answer.status_code, answer.json()["code"]) == (503, "voice-not-configured")
    assert int(answer.headers["Retry-After"]) > 0
    assert bus.logs == {}
    assert (await client.post(CHAT, json={"message": "Hi"})).status_code == 200


async def test_a_property_has_no_way_into_anothers_call(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    ours = await caller.post(URL, json=GUEST)
    rooms.enter(ours.json()["token"])
    await in_a_call(bus, ours)
    theirs = {"Authorization": "Bearer theirs"}

    named = await caller.post(URL, json={"conversationId": ours.json()["conversationId"]}, headers=theirs)
    same_guest = await caller.post(URL, json={"customerId": "C-1"}, headers=theirs)

    assert (named.status_code, named.json()["code"]) == (404, "unknown-conversation")
    assert same_guest.json()["room"] != ours.json()["room"]
    assert decode_ticket(token_of(same_guest).metadata).property_id == "hill"


async def test_the_routes_are_described(caller: httpx.AsyncClient) -> None:
    paths = (await caller.get("/openapi.json")).json()["paths"]

    assert set(paths[URL]["post"]["responses"]) >= {"201", "422"}
    assert paths[URL]["post"]["security"]
    webhook = paths["/llm/voice/webhook"]["post"]
    assert list(webhook["requestBody"]["content"]) == ["application/webhook+json"]
    assert "security" not in webhook


async def test_sessions_are_counted_by_outcome(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms, registry: CollectorRegistry
) -> None:
    first = await caller.post(URL, json=GUEST)
    rooms.enter(first.json()["token"])
    await in_a_call(bus, first)
    await caller.post(URL, json=GUEST)
    bus.refuse = BusUnavailable()
    await caller.post(URL, json=GUEST)
    rooms.refuse = RoomsUnavailable()
    await caller.post(URL, json=GUEST)

    counted = {
        outcome: registry.get_sample_value("botel_voice_sessions_total", {"outcome": outcome})
        for outcome in ("opened", "rejoined", "bus-unavailable", "rooms-unavailable", "voice-not-configured")
    }
    assert counted == {
        "opened": 1,
        "rejoined": 1,
        "bus-unavailable": 1,
        "rooms-unavailable": 1,
        "voice-not-configured": None,
    }
