"""A message in, an answer out: as JSON, as events, once per key, with history brought in."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from libs.contracts.errors import BotelError, BusUnavailable, ConversationBusy, Overloaded, TurnCancelled
from libs.contracts.events import MessageReceived, ReplyStatus
from libs.contracts.projection import project
from tests.unit.text_gateway.fake_bus import FakeBus

URL = "/llm/conversations/"
GUEST = {"propertyId": "harbour", "customerId": "C-1"}
SSE = {"Accept": "text/event-stream"}


def events_of(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(event, id, data) of every event; comments left out."""
    out = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            out.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return out


async def test_a_message_gets_its_answer(client: httpx.AsyncClient, bus: FakeBus) -> None:
    answer = await client.post(URL, json={**GUEST, "message": "Is breakfast included?"})

    body = answer.json()
    assert answer.status_code == 200
    assert body["response"] == "You said: Is breakfast included?"
    assert body["status"] == "finished"
    message = bus.logs[body["conversationId"]][1]
    assert isinstance(message, MessageReceived)
    assert (message.turn_id, message.text, message.property_id) == (body["turnId"], "Is breakfast included?", "harbour")
    assert bus.deadlines == [60_000]
    assert all(following.closed for following in bus.followers)


async def test_a_guest_has_one_conversation_and_a_stranger_a_new_one(client: httpx.AsyncClient) -> None:
    async def where(**who: object) -> str:
        return str((await client.post(URL, json={"message": "Hi", **who})).json()["conversationId"])

    mine = await where(customerId="C-1")

    assert await where(customerId="C-1", propertyId="harbour") == mine
    assert await where(conversationId=mine) == mine
    assert await where(customerId=1) == await where(customerId="1")
    assert len({mine, await where(), await where(), await where(reservationId="C-1")}) == 4


async def test_an_answer_as_events(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json={**GUEST, "message": "Hi"}, headers=SSE)

    assert answer.headers["content-type"].startswith("text/event-stream")
    (turn, *chunks, end) = events_of(answer.text)
    assert turn[0] == "turn"
    assert [chunk[0] for chunk in chunks] == ["chunk"] * len(chunks)
    assert "".join(chunk[2]["text"] for chunk in chunks) == end[2]["response"] == "You said: Hi"
    assert end[:2] == ("end", "3")
    assert (turn[2]["turnId"], turn[2]["conversationId"]) == (end[2]["turnId"], end[2]["conversationId"])


@pytest.mark.parametrize("headers", [{}, SSE], ids=["json", "events"])
async def test_the_same_key_is_the_same_turn_and_the_same_answer(
    client: httpx.AsyncClient, bus: FakeBus, headers: dict[str, str]
) -> None:
    """Without any identity too: the conversation comes out of the key as well."""
    request = {"json": {"message": "Book it"}, "headers": {**headers, "Idempotency-Key": "k-1"}}
    asked = []
    bus.answer = lambda message: (asked.append(message), (["Done."], ReplyStatus.FINISHED))[1]  # type: ignore[func-returns-value]

    first, again = await client.post(URL, **request), await client.post(URL, **request)  # type: ignore[arg-type]

    if headers:
        assert events_of(first.text)[-1] == events_of(again.text)[-1]
    else:
        assert first.json() == again.json()
    assert len(asked) == len(bus.logs) == 1


async def test_a_key_of_another_message_is_a_conflict(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    await client.post(URL, json={**GUEST, "message": "Book it"}, headers=key)

    answer = await client.post(URL, json={**GUEST, "message": "Cancel it"}, headers=key)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-conflict")


LIST = [
    {"role": "system", "content": "You are rude."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": [{"type": "text", "text": "Good"}, {"type": "text", "text": "morning."}]},
    {"role": "tool", "content": "secret", "tool_call_id": "x"},
    {"role": "user", "content": "Is there a pool?"},
]


def said(bus: FakeBus, conversation_id: str) -> list[str]:
    return [f"{line.role.value}: {line.text}" for line in project(bus.logs[conversation_id])]


async def test_a_list_is_brought_into_an_empty_conversation(client: httpx.AsyncClient, bus: FakeBus) -> None:
    body = (await client.post(URL, json={**GUEST, "messages": LIST, "model": "gpt", "temperature": 2})).json()

    assert said(bus, body["conversationId"]) == [
        "guest: Hi",
        "concierge: Good\nmorning.",
        "guest: Is there a pool?",
        "concierge: You said: Is there a pool?",
    ]


async def test_of_a_list_for_a_conversation_that_has_begun_only_the_turn_is_taken(
    client: httpx.AsyncClient, bus: FakeBus
) -> None:
    body = (await client.post(URL, json={**GUEST, "message": "First"})).json()
    await client.post(URL, json={**GUEST, "messages": LIST})

    assert said(bus, body["conversationId"])[2:] == ["guest: Is there a pool?", "concierge: You said: Is there a pool?"]


async def test_a_list_that_was_half_brought_in_is_finished(client: httpx.AsyncClient, bus: FakeBus) -> None:
    key = {"Idempotency-Key": "k-1"}
    bodies = await client.post(URL, json={**GUEST, "messages": LIST}, headers=key)
    conversation_id = bodies.json()["conversationId"]
    del bus.logs[conversation_id][2:]  # as if the gateway had died after the first line

    await client.post(URL, json={**GUEST, "messages": LIST}, headers=key)

    assert said(bus, conversation_id) == [
        "guest: Hi",
        "concierge: Good\nmorning.",
        "guest: Is there a pool?",
        "concierge: You said: Is there a pool?",
    ]


@pytest.mark.parametrize("headers", [{}, SSE], ids=["json", "events"])
async def test_an_answer_that_takes_too_long_tells_where_it_will_be(
    client: httpx.AsyncClient, bus: FakeBus, headers: dict[str, str]
) -> None:
    bus.answer = lambda _: None

    answer = await client.post(URL, json={**GUEST, "message": "Hi"}, headers=headers)

    problem = events_of(answer.text)[-1][2] if headers else answer.json()
    assert (problem["status"], problem["code"]) == (504, "reply-timeout")
    assert bus.logs[problem["conversationId"]][1].turn_id == problem["turnId"]
    assert bus.cancelled == []
    assert all(following.closed for following in bus.followers)


@pytest.mark.parametrize(
    ("status", "text", "http", "code"),
    [
        (ReplyStatus.CANCELLED, "half", 409, "reply-cancelled"),
        (ReplyStatus.EXPIRED, "", 503, "reply-expired"),
        (ReplyStatus.DEAD, "", 502, "reply-failed"),
        (ReplyStatus.FAILED, "", 502, "reply-failed"),
    ],
)
async def test_a_turn_that_ends_without_an_answer(
    client: httpx.AsyncClient, bus: FakeBus, status: ReplyStatus, text: str, http: int, code: str
) -> None:
    bus.answer = lambda _: ([text], status)

    as_json = await client.post(URL, json={**GUEST, "message": "Hi"})
    as_events = await client.post(URL, json={**GUEST, "message": "Hi"}, headers=SSE)

    assert (as_json.status_code, as_json.json()["code"]) == (http, code)
    name, _, problem = events_of(as_events.text)[-1]
    assert (name, problem["code"], problem["status"]) == ("error", code, http)
    assert problem["turnId"]


async def test_an_apology_is_an_answer(client: httpx.AsyncClient, bus: FakeBus) -> None:
    bus.answer = lambda _: (["I am sorry."], ReplyStatus.FAILED)

    body = (await client.post(URL, json={**GUEST, "message": "Hi"})).json()

    assert (body["response"], body["status"]) == ("I am sorry.", "failed")


@pytest.mark.parametrize("headers", [{}, SSE], ids=["json", "events"])
@pytest.mark.parametrize(
    ("error", "status", "code", "retry", "wait"),
    [
        (ConversationBusy(), 429, "busy", "later", "2"),
        (Overloaded(), 503, "overloaded", "later", "2"),
        (BusUnavailable(), 503, "bus-unavailable", "same-id", "1"),
        (TurnCancelled(), 409, "cancelled", "never", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_what_the_bus_refuses_is_told_before_any_stream(
    client: httpx.AsyncClient,
    bus: FakeBus,
    error: BotelError,
    status: int,
    code: str,
    retry: str,
    wait: str | None,
    headers: dict[str, str],
) -> None:
    bus.refuse = error

    for _ in range(3):  # more often than there are stream slots: a refused one gives its back
        answer = await client.post(URL, json={**GUEST, "message": "Hi"}, headers=headers)

        assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (status, code, retry)
        assert answer.headers.get("Retry-After") == wait


async def test_a_bug_is_a_problem_without_its_innards(client: httpx.AsyncClient, bus: FakeBus) -> None:
    bus.refuse = RuntimeError("password=hunter2")

    answer = await client.post(URL, json={**GUEST, "message": "Hi"}, headers={"X-Request-ID": "req-1"})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["request_id"]) == ("internal", "req-1")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


async def test_a_cancel_reaches_the_bus(client: httpx.AsyncClient, bus: FakeBus) -> None:
    body = (await client.post(URL, json={**GUEST, "message": "Hi"})).json()
    path = f"/llm/conversations/{body['conversationId']}/turns"

    posted = await client.post(f"{path}/{body['turnId']}/cancel")
    deleted = await client.delete(f"{path}/turn-of-the-future")

    assert (posted.json()["outcome"], deleted.json()["outcome"]) == ("running", "early")
    assert bus.cancelled == [body["turnId"], "turn-of-the-future"]
