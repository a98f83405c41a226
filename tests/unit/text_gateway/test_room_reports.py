"""LiveKit's webhooks as facts: once each, in whatever order, beside a voice gateway that reports the same."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from libs.contracts.calls import CallTicket, encode_ticket
from libs.contracts.errors import BusUnavailable
from libs.contracts.events import Author, CallEnded, CallQuality, CallStarted, Channel, ConversationOpened, Event
from services.text_gateway.domain.calls import call_ended, call_started
from services.text_gateway.errors import RoomsUnavailable
from services.text_gateway.ports import Room, RoomEvent
from tests.unit.text_gateway.fake_bus import FakeBus
from tests.unit.text_gateway.fake_rooms import SIGNATURE, FakeCalls, FakeRooms

URL = "/llm/voice/webhook"
MEDIA = {"Content-Type": "application/webhook+json"}
TICKET = CallTicket(call_id="call-1", property_id="harbour", conversation_id="conv-1", guest="guest-conv-1")
JOINED, FINISHED = "participant_joined", "room_finished"


def event(kind: str, ticket: CallTicket = TICKET, **fields: Any) -> RoomEvent:
    given: dict[str, Any] = {
        "id": "EV_1",
        "kind": kind,
        "room": ticket.call_id,
        "metadata": encode_ticket(ticket),
        "age_ms": 61_000,
    }
    if kind == JOINED:
        given |= {"identity": ticket.guest, "caller": True}
    return RoomEvent(**given | fields)


async def send(caller: httpx.AsyncClient, told: RoomEvent) -> Any:
    answer = await caller.post(URL, content=msgspec.json.encode(told), headers={**MEDIA, "Authorization": SIGNATURE})
    return answer.json().get("outcome") or answer.json()["code"]


def calls_in(bus: FakeBus, conversation_id: str = "conv-1") -> list[Event]:
    return [event for event in bus.logs[conversation_id] if isinstance(event, CallStarted | CallEnded)]


def kinds(bus: FakeBus) -> list[str]:
    return [event.id for event in calls_in(bus)]


async def live_call(bus: FakeBus) -> str | None:
    return (await bus.read("harbour", "conv-1")).context.get("call")


@pytest.fixture
async def bus(bus: FakeBus, rooms: FakeRooms) -> FakeBus:
    """With the conversation of the ticket, and its room."""
    opened = ConversationOpened(
        id="evt-1",
        time_ms=1,
        property_id="harbour",
        conversation_id="conv-1",
        author=Author.SYSTEM,
        channel=Channel.VOICE,
    )
    await bus.open(opened, {})
    rooms.rooms["call-1"] = Room("call-1", encode_ticket(TICKET))
    return bus


async def test_a_call_begins_and_ends(caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms) -> None:
    assert await send(caller, event(JOINED)) == "recorded"
    assert await live_call(bus) == "call-1"
    del rooms.rooms["call-1"]

    assert await send(caller, event(FINISHED)) == "recorded"

    started, ended = calls_in(bus)
    assert isinstance(started, CallStarted)
    assert isinstance(ended, CallEnded)
    assert (started.id, started.call_id) == ("call-1.started", "call-1")
    assert (ended.id, ended.reason, ended.duration_ms, ended.quality) == ("call-1.ended", "room-finished", 61_000, None)
    assert await live_call(bus) is None


async def test_a_caller_by_phone_whose_dispatch_rule_names_no_call_is_expected(
    caller: httpx.AsyncClient, rooms: FakeRooms, calls: FakeCalls
) -> None:
    shared, room = '{"property_id": "harbour"}', "call-_+4940123456_Xq7R"
    rooms.rooms[room] = Room(room, shared)
    told = RoomEvent(id="EV_1", kind=JOINED, room=room, metadata=shared, identity="sip_+4940123456", caller=True)

    assert await send(caller, told) == "ignored", "whose conversation it is, only the voice gateway knows"

    assert calls.expected[room] == CallTicket(call_id=room, property_id="harbour")


async def test_an_event_that_comes_again_changes_nothing(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    """A guest who reconnects has joined again, too: under another event id."""
    for told in (event(JOINED), event(JOINED), event(JOINED, id="EV_2")):
        assert await send(caller, told) == "recorded"
    del rooms.rooms["call-1"]
    for told in (event(FINISHED), event(FINISHED), event(JOINED)):
        await send(caller, told)

    assert kinds(bus) == ["call-1.started", "call-1.ended"]
    assert await live_call(bus) is None


@pytest.mark.parametrize("order", list(itertools.permutations([JOINED, FINISHED, FINISHED])))
async def test_events_out_of_order_leave_the_same_call(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms, order: tuple[str, ...]
) -> None:
    """All of them come after the room is gone: the end may overtake the beginning, and nobody stays on the line."""
    del rooms.rooms["call-1"]

    for kind in order:
        await send(caller, event(kind))

    assert kinds(bus) == ["call-1.started", "call-1.ended"]
    assert await live_call(bus) is None


async def test_the_gateways_own_end_with_its_figures_is_kept(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    await bus.append(call_started(TICKET, 1), {"call": "call-1"})
    ended = msgspec.structs.replace(call_ended(TICKET, 2, 60_500), reason="guest-left", quality=CallQuality(turns=3))
    await send(caller, event(JOINED))
    await bus.append(ended, {"call": ""})
    del rooms.rooms["call-1"]

    assert await send(caller, event(FINISHED)) == "recorded"

    assert kinds(bus) == ["call-1.started", "call-1.ended"]
    assert calls_in(bus)[1].quality == CallQuality(turns=3)  # type: ignore[attr-defined]


async def test_a_room_that_no_guest_has_been_in_was_no_call(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    del rooms.rooms["call-1"]

    assert await send(caller, event(FINISHED)) == "ignored"
    assert kinds(bus) == []


async def test_the_end_of_an_old_call_leaves_the_new_one_on_the_line(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    """Its gateway died, and its webhook comes late: the guest has called again by then."""
    await bus.append(call_started(TICKET, 1), {"call": "call-1"})
    new = msgspec.structs.replace(TICKET, call_id="call-2")
    del rooms.rooms["call-1"]
    rooms.rooms["call-2"] = Room("call-2", encode_ticket(new))
    await send(caller, event(JOINED, new))
    assert await live_call(bus) == "call-2"

    assert await send(caller, event(FINISHED)) == "recorded"

    assert kinds(bus) == ["call-1.started", "call-2.started", "call-1.ended"]
    assert await live_call(bus) == "call-2"


async def test_a_second_call_beside_a_live_one_does_not_take_its_place(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    second = msgspec.structs.replace(TICKET, call_id="call-2")
    rooms.rooms["call-2"] = Room("call-2", encode_ticket(second))
    await send(caller, event(JOINED))
    await send(caller, event(JOINED, second))

    assert kinds(bus) == ["call-1.started", "call-2.started"]
    assert await live_call(bus) == "call-1"


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (event("room_started"), "ignored"),
        (event("track_published"), "ignored"),
        (event("a_new_kind_of_event"), "ignored"),
        (event(JOINED, identity="agent-1", caller=False), "ignored"),
        (event(JOINED, identity="guest-conv-1", caller=False), "ignored"),
        (event(JOINED, identity="staff-1"), "ignored"),
        (event(JOINED, metadata=""), "foreign"),
        (event(JOINED, metadata="{}"), "foreign"),
        (event(JOINED, metadata='{"call_id":"call-1"}'), "foreign"),
        (event(JOINED, metadata="x" * 8_000), "foreign"),
        (event(JOINED, room="another-room"), "foreign"),
        (event(FINISHED, metadata="of somebody else"), "foreign"),
        (event(JOINED, CallTicket(call_id="call-1", property_id="harbour", guest="sip_49")), "ignored"),
        (event(FINISHED, CallTicket(call_id="call-1", property_id="harbour")), "ignored"),
        (event(JOINED, msgspec.structs.replace(TICKET, conversation_id="conv-none")), "unknown"),
        (event(FINISHED, msgspec.structs.replace(TICKET, conversation_id="conv-none")), "unknown"),
        (event(JOINED, msgspec.structs.replace(TICKET, property_id="hill")), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
async def test_what_is_no_call_of_ours_is_taken_and_left(
    caller: httpx.AsyncClient, bus: FakeBus, told: RoomEvent, outcome: str
) -> None:
    assert await send(caller, told) == outcome
    assert kinds(bus) == []
    assert await live_call(bus) is None


@pytest.mark.parametrize("kind", [JOINED, FINISHED])
async def test_what_could_not_be_recorded_is_asked_for_again(
    caller: httpx.AsyncClient, bus: FakeBus, kind: str
) -> None:
    await bus.append(call_started(TICKET, 1), {"call": "call-1"})
    bus.refuse = BusUnavailable()
    told = msgspec.json.encode(event(kind))

    answer = await caller.post(URL, content=told, headers={**MEDIA, "Authorization": SIGNATURE})

    assert (answer.status_code, answer.json()["code"]) == (503, "webhook-deferred")
    assert answer.headers["Retry-After"] == "5"
    bus.refuse = None
    assert await send(caller, event(kind)) == "recorded"


async def test_a_beginning_is_not_recorded_before_livekit_says_that_the_call_goes_on(
    caller: httpx.AsyncClient, bus: FakeBus, rooms: FakeRooms
) -> None:
    rooms.refuse = RoomsUnavailable()

    assert await send(caller, event(JOINED)) == "webhook-deferred"
    assert kinds(bus) == []


@pytest.mark.parametrize("authorization", ["", "Bearer ours", "wrong"])
async def test_an_unsigned_webhook_is_refused(caller: httpx.AsyncClient, bus: FakeBus, authorization: str) -> None:
    caller.headers["Authorization"] = authorization

    answer = await caller.post(URL, content=msgspec.json.encode(event(JOINED)), headers=MEDIA)

    assert (answer.status_code, answer.json()["code"]) == (401, "bad-signature")
    assert answer.headers["content-type"] == "application/problem+json"
    assert kinds(bus) == []


async def test_webhooks_that_are_none(caller: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    async def code(body: bytes, media: str = MEDIA["Content-Type"]) -> Any:
        headers = {"Content-Type": media, "Authorization": SIGNATURE}
        return (await caller.post(URL, content=body, headers=headers)).json()["code"]

    assert await code(b"{") == "invalid-request"
    assert await code(b"x" * 20_000) == "too-large"
    assert await code(b"x" * 1_048_576) == "too-large"
    assert await code(b"{}", "application/json") == "unsupported-media"
    unconfigured = await client.post(URL, content=b"{}", headers=MEDIA)
    assert (unconfigured.status_code, unconfigured.json()["code"]) == (503, "voice-not-configured")


async def test_webhooks_are_counted_by_kind_and_outcome(
    caller: httpx.AsyncClient, bus: FakeBus, registry: CollectorRegistry
) -> None:
    for told in (event(JOINED), event(JOINED, metadata=""), event("a_new_kind_of_event"), event("room_started")):
        await send(caller, told)
    await caller.post(URL, content=b"{}", headers=MEDIA)

    def counted(kind: str, outcome: str) -> float | None:
        labels = {"event": kind, "outcome": outcome}
        return registry.get_sample_value("botel_voice_webhooks_total", labels)

    assert counted(JOINED, "recorded") == 1
    assert counted(JOINED, "foreign") == 1
    assert counted("other", "ignored") == 2
    assert counted("other", "bad-signature") == 1
