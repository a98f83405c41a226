"""The store over HTTP: one history out of archive and Redis, one property never sees another's."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from libs.contracts.events import AnyEvent, ReplyGenerated, Usage
from services.context_store.adapters.sql_archive import SqlArchive
from services.context_store.domain.rows import Row, row_of
from tests.integration.context_store.hot import HotConversations
from tests.integration.context_store.stories import LINES, THEIRS, call_and_chat, lines, store
from tests.talk import Talk


@pytest.mark.parametrize("stored", range(7))
async def test_history_is_one_wherever_its_parts_are(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations, stored: int
) -> None:
    events = call_and_chat(Talk())
    await store(archive, *events[:stored])
    hot.hold(*events)

    answer = await client.get("/conversations/conv-1/messages")

    assert lines(answer.json()) == LINES
    assert answer.json()["complete"]
    assert answer.json()["messages"][1]["generated"] == "From seven to ten, in the garden room."


async def test_history_tells_what_a_conversation_has_cost(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    paid = [priced(event) for event in call_and_chat(Talk())]
    await store(archive, *paid[:4])
    hot.hold(*paid)

    usage = (await client.get("/conversations/conv-1/messages", params={"limit": 1})).json()["usage"]

    replies = sum(isinstance(event, ReplyGenerated) for event in paid)
    assert replies > 1
    assert usage == {
        "inputTokens": 100 * replies,
        "outputTokens": 10 * replies,
        "cachedTokens": 64 * replies,
        "estimated": False,
        "costMicro": 56 * replies,
    }


def priced(event: AnyEvent) -> AnyEvent:
    if not isinstance(event, ReplyGenerated):
        return event
    usage = Usage(input_tokens=100, output_tokens=10, cached_tokens=64, cost_micro=56)
    return msgspec.structs.replace(event, usage=usage)


async def test_history_outlives_redis(client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations) -> None:
    events = call_and_chat(Talk())
    hot.hold(*events)
    await store(archive, *events)
    hot.empty()

    answer = (await client.get("/conversations/conv-1/messages")).json()

    assert lines(answer) == LINES
    assert answer["complete"]


async def test_with_redis_away_history_answers_and_says_what_it_cannot_know(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    await store(archive, *call_and_chat(Talk()))
    hot.away = True

    answers = [await client.get(f"/conversations/conv-1/{what}") for what in ("messages", "events", "context")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["complete"] for answer in answers] == [False, False, False]
    assert lines(answers[0].json()) == LINES


async def test_messages_come_in_pages(client: httpx.AsyncClient, archive: SqlArchive) -> None:
    await store(archive, *call_and_chat(Talk()))

    first = (await client.get("/conversations/conv-1/messages", params={"limit": 3})).json()
    second = (await client.get("/conversations/conv-1/messages", params={"limit": 3, "offset": first["next"]})).json()

    assert lines(first) + lines(second) == LINES
    assert (first["total"], first["next"], second["next"]) == (4, 3, None)


async def test_events_come_in_pages_over_archive_and_redis(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    events = call_and_chat(Talk())
    await store(archive, *events[:3])
    hot.hold(*events)

    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = (await client.get("/conversations/conv-1/events", params={"limit": 2, "after": after})).json()
        seen += [event["number"] for event in page["events"]]
        after = page["next"]

    assert seen == [1, 2, 3, 4, 5, 6]


async def test_an_event_is_told_as_it_was_recorded(client: httpx.AsyncClient, archive: SqlArchive) -> None:
    await store(archive, *call_and_chat(Talk())[:2])
    unreadable = row_of("conv-1", 3, b'{"type":"minibar.opened","x":"\xff"}')
    assert isinstance(unreadable, Row)
    await archive.add([unreadable], [])

    _, message, unknown = (await client.get("/conversations/conv-1/events")).json()["events"]

    assert (message["type"], message["text"], message["channel"]) == ("message.received", "When is breakfast?", "voice")
    assert (unknown["type"], unknown["number"]) == ("unknown", 3)
    assert "minibar" in unknown["body"]
    assert unknown["reason"]


@pytest.mark.parametrize("what", ["messages", "events", "context"])
@pytest.mark.parametrize("where", ["archive", "redis", "nowhere"])
async def test_what_is_not_the_propertys_does_not_exist(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations, what: str, where: str
) -> None:
    if where == "archive":
        await store(archive, *call_and_chat(Talk()))
    if where == "redis":
        hot.hold(*call_and_chat(Talk()))

    answer = await client.get(f"/conversations/conv-1/{what}", headers=THEIRS)

    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown-conversation"
    assert "breakfast" not in answer.text


async def test_nor_can_it_be_changed_or_listed(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    events = call_and_chat(Talk())
    await store(archive, *events)
    hot.hold(*events)

    change = await client.patch("/conversations/conv-1/context", json={"fields": {"room": "1"}}, headers=THEIRS)

    assert change.status_code == 404
    assert (await client.get("/conversations", headers=THEIRS)).json()["conversations"] == []
    found = await client.get("/conversations", params={"reservationId": "R-1"}, headers=THEIRS)
    assert found.json()["conversations"] == []
    opened = await client.post("/conversations", json={"reservationId": "R-1"}, headers=THEIRS)
    assert opened.json()["conversationId"] != "conv-1"


async def test_a_conversation_nobody_knows_with_redis_away_may_still_be_there(
    client: httpx.AsyncClient, hot: HotConversations
) -> None:
    hot.away = True

    answer = await client.get("/conversations/conv-1/messages")

    assert (answer.status_code, answer.json()["code"]) == (503, "bus-unavailable")
    assert answer.headers["Retry-After"] == "1"


async def test_open_finds_what_it_opened(client: httpx.AsyncClient) -> None:
    guest = {"propertyId": "harbour", "customerId": "C/7 é", "channel": "voice"}

    first = await client.post("/conversations", json=guest)
    second = await client.post("/conversations", json=guest)
    nobody = await client.post("/conversations", json={})

    assert (first.status_code, second.status_code, nobody.status_code) == (201, 200, 201)
    assert first.json()["conversationId"] == second.json()["conversationId"] != nobody.json()["conversationId"]
    context = (await client.get(f"/conversations/{first.json()['conversationId']}/context")).json()
    assert context["fields"] == {"property_id": "harbour", "customer_id": "C/7 é"}


async def test_with_redis_away_a_known_guests_conversation_is_found_and_a_new_one_refused(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    await store(archive, *call_and_chat(Talk()))
    hot.away = True

    known = await client.post("/conversations", json={"reservationId": "R-1"})
    unknown = await client.post("/conversations", json={"reservationId": "R-2"})

    assert (known.status_code, known.json()) == (200, {"conversationId": "conv-1", "created": False})
    assert (unknown.status_code, unknown.json()["code"]) == (503, "bus-unavailable")


async def test_the_context_is_changed_through_the_bus_once_per_key(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    events = call_and_chat(Talk())
    await store(archive, *events)
    hot.hold(*events)
    change = {"fields": {"room": "412", "vip": "yes"}}

    first = await client.patch("/conversations/conv-1/context", json=change, headers={"Idempotency-Key": "k"})
    again = await client.patch("/conversations/conv-1/context", json=change, headers={"Idempotency-Key": "k"})
    removed = await client.patch("/conversations/conv-1/context", json={"fields": {"vip": None}})

    assert (first.json()["number"], again.json()["number"], removed.json()["number"]) == (7, 7, 8)
    assert (await client.get("/conversations/conv-1/context")).json()["fields"] == {"room": "412"}
    recorded = (await client.get("/conversations/conv-1/events", params={"after": 6})).json()["events"]
    assert [event["fields"] for event in recorded] == [change["fields"], {"vip": ""}]


async def test_a_change_bears_the_client_s_trace(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations
) -> None:
    events = call_and_chat(Talk())
    await store(archive, *events)
    hot.hold(*events)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    for room, sent in (("412", trace), ("413", "nonsense")):
        change = {"fields": {"room": room}}
        await client.patch("/conversations/conv-1/context", json=change, headers={"traceparent": sent})

    recorded = (await client.get("/conversations/conv-1/events", params={"after": 6})).json()["events"]
    assert [event.get("trace", "") for event in recorded] == [trace, ""]


async def test_the_context_outlives_redis(client: httpx.AsyncClient, archive: SqlArchive) -> None:
    talk = Talk()
    await store(archive, talk.opened(reservation_id="R-1"), talk.noted(room="1", vip="yes"), talk.noted(vip=""))

    answer = (await client.get("/conversations/conv-1/context")).json()

    assert answer == {"fields": {"property_id": "harbour", "reservation_id": "R-1", "room": "1"}, "complete": True}


@pytest.mark.parametrize(
    ("away", "status", "code"), [(True, 503, "bus-unavailable"), (False, 409, "archived")], ids=["away", "emptied"]
)
async def test_a_change_needs_the_conversation_to_be_live(
    client: httpx.AsyncClient, archive: SqlArchive, hot: HotConversations, away: bool, status: int, code: str
) -> None:
    await store(archive, *call_and_chat(Talk()))
    hot.away = away

    answer = await client.patch("/conversations/conv-1/context", json={"fields": {"room": "1"}})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_conversations_are_listed_in_pages(client: httpx.AsyncClient, archive: SqlArchive) -> None:
    for number in range(5):
        await store(archive, Talk(f"conv-{number}", begin_ms=number * 100).opened())

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/conversations", params={"limit": 2, "cursor": cursor})).json()
        seen += [one["conversationId"] for one in page["conversations"]]
        cursor = page["next"]

    assert seen == [f"conv-{number}" for number in (4, 3, 2, 1, 0)]
