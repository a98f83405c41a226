"""Bad input: a clear typed error with a stable code, nothing written, nothing of another property told."""

from __future__ import annotations

import httpx
import pytest

from libs.contracts.limits import MAX_MESSAGE_BYTES
from tests.unit.text_gateway.fake_bus import FakeBus

POST, GET, DELETE = "POST", "GET", "DELETE"
CHAT = "/llm/conversations/"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        (POST, CHAT, b"", 422, "invalid-request"),
        (POST, CHAT, b"{", 400, "malformed-json"),
        (POST, CHAT, b"{'message': 'Hi'}", 400, "malformed-json"),
        (POST, CHAT, b'\xff{"message":"Hi"}', 400, "malformed-json"),
        (POST, CHAT, b'{"message":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "malformed-json"),
        (POST, CHAT, b"null", 422, "invalid-request"),
        (POST, CHAT, b"[]", 422, "invalid-request"),
        (POST, CHAT, b'"Hi"', 422, "invalid-request"),
        (POST, CHAT, b"{}", 422, "invalid-request"),
        (POST, CHAT, b'{"message":7}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":{"text":"Hi"}}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":""}', 422, "empty-message"),
        (POST, CHAT, b'{"message":" \\n"}', 422, "empty-message"),
        (POST, CHAT, b'{"messages":[]}', 422, "empty-message"),
        (POST, CHAT, b'{"messages":[{"role":"assistant","content":"Hi"}]}', 422, "empty-message"),
        (POST, CHAT, b'{"messages":[{"role":"wizard","content":"Hi"}]}', 422, "invalid-request"),
        (POST, CHAT, b'{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}', 422, "invalid-request"),
        (
            POST,
            CHAT,
            b'{"messages":[' + b",".join([b'{"role":"user","content":"Hi"}'] * 201) + b"]}",
            422,
            "invalid-request",
        ),
        (POST, CHAT, b'{"message":"Hi","messages":[{"role":"user","content":"Hi"}]}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":"\\ud83d"}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":"' + b"x" * (MAX_MESSAGE_BYTES + 1) + b'"}', 413, "too-large"),
        (POST, CHAT, b'{"message":"' + b"x" * 1_048_576 + b'"}', 413, "too-large"),
        (POST, CHAT, b'{"message":"Hi","propertyId":"hill"}', 403, "wrong-property"),
        (POST, CHAT, b'{"message":"Hi","propertyId":"nowhere"}', 403, "wrong-property"),
        (POST, CHAT, b'{"message":"Hi","propertyId":""}', 403, "wrong-property"),
        (POST, CHAT, b'{"message":"Hi","conversationId":"conv-none"}', 404, "unknown-conversation"),
        (POST, CHAT, b'{"message":"Hi","conversationId":"{0}:x"}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":"Hi","conversationId":"../../x"}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":"Hi","customerId":"a\\u0000b"}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":"Hi","customerId":"' + b"x" * 129 + b'"}', 422, "invalid-request"),
        (POST, CHAT, b'{"message":"Hi","reservationId":["R"]}', 422, "invalid-request"),
        (GET, "/llm/conversations/conv-none/events", None, 404, "unknown-conversation"),
        (GET, "/llm/conversations/a%20b/events", None, 422, "invalid-request"),
        (GET, "/llm/conversations/%7B0%7D/events", None, 422, "invalid-request"),
        (GET, "/llm/conversations/conv-1/events?after=soon", None, 422, "invalid-request"),
        (GET, "/llm/conversations/conv-1/events?after=-1", None, 422, "invalid-request"),
        (GET, "/llm/conversations/conv-1/events?after=99999999999999999999", None, 422, "invalid-request"),
        (POST, "/llm/conversations/conv-none/turns/turn-1/cancel", None, 404, "unknown-conversation"),
        (POST, "/llm/conversations/conv-1/turns/a%20b/cancel", None, 422, "invalid-request"),
        (DELETE, f"/llm/conversations/conv-1/turns/{'x' * 65}", None, 422, "invalid-request"),
        (POST, "/llm/voice/sessions", b"{}", 503, "voice-not-configured"),
        (POST, "/llm/voice/sessions", b"", 422, "invalid-request"),
        (POST, "/llm/voice/sessions", b"{", 400, "malformed-json"),
        (POST, "/llm/voice/sessions", b'{"propertyId":"hill"}', 403, "wrong-property"),
        (POST, "/llm/voice/sessions", b'{"conversationId":"{0}:x"}', 422, "invalid-request"),
        (POST, "/llm/voice/sessions", b'{"customerId":"a\\u0000b"}', 422, "invalid-request"),
        (POST, "/llm/voice/sessions", b'{"reservationId":"' + b"x" * 129 + b'"}', 422, "invalid-request"),
        (POST, "/llm/voice/sessions", b'{"customerId":"' + b"x" * 1_048_576 + b'"}', 413, "too-large"),
        (POST, "/llm/voice/webhook", b"{}", 415, "unsupported-media"),
        (POST, "/llm/voice/webhook", b"x" * 1_048_576, 413, "too-large"),
        (GET, "/llm/conversations/", None, 405, "method-not-allowed"),
        (GET, "/llm", None, 404, "not-found"),
    ],
    ids=lambda value: ascii(value)[:56],
)
async def test_bad_input(
    client: httpx.AsyncClient, bus: FakeBus, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert {"type", "title", "detail", "retry"} <= set(problem)
    assert "Traceback" not in answer.text
    assert bus.logs == {}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_that_is_not_said_to_be_json(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post(CHAT, content=b'{"message":"Hi"}', headers={"Content-Type": kind} if kind else {})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media")


async def test_what_was_sent_is_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json={"message": {"card": "4111111111111111"}})

    assert answer.status_code == 422
    assert "message" in answer.json()["detail"]
    assert "4111" not in answer.text


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Bearer OURS", "Basic b3Vyczo=", "ours"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        (POST, CHAT),
        (GET, "/llm/conversations/conv-1/events"),
        (POST, "/llm/conversations/conv-1/turns/turn-1/cancel"),
        (DELETE, "/llm/conversations/conv-1/turns/turn-1"),
        (POST, "/llm/voice/sessions"),
    ],
)
async def test_without_the_key_nothing(client: httpx.AsyncClient, method: str, path: str, header: str) -> None:
    client.headers["Authorization"] = header

    answer = await client.request(method, path, json={"message": "Hi"})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_property_never_sees_anothers_conversation(client: httpx.AsyncClient, bus: FakeBus) -> None:
    ours = (await client.post(CHAT, json={"customerId": "C-1", "message": "Hi"})).json()
    before = list(bus.logs[ours["conversationId"]])
    theirs = {"Authorization": "Bearer theirs"}
    there = f"/llm/conversations/{ours['conversationId']}"

    answers = [
        await client.post(CHAT, json={"conversationId": ours["conversationId"], "message": "Hi"}, headers=theirs),
        await client.get(f"{there}/events", headers=theirs),
        await client.post(f"{there}/turns/{ours['turnId']}/cancel", headers=theirs),
    ]
    same_guest = await client.post(CHAT, json={"customerId": "C-1", "message": "Hi"}, headers=theirs)

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "unknown-conversation")] * 3
    assert same_guest.json()["conversationId"] != ours["conversationId"]
    assert bus.logs[ours["conversationId"]] == before


async def test_both_resume_points_are_one_too_many(client: httpx.AsyncClient) -> None:
    answer = await client.get("/llm/conversations/conv-1/events?after=3", headers={"Last-Event-ID": "4"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
