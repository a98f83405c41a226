"""What a client did wrong is said in a problem with a stable code; nothing is told without the key."""

from __future__ import annotations

import httpx
import pytest

from libs.contracts.limits import MAX_CONTEXT_VALUE_CHARS
from libs.web.paging import write_cursor
from services.context_store.adapters.sql_archive import SqlArchive
from tests.integration.context_store.hot import HotConversations
from tests.integration.context_store.stories import call_and_chat, store
from tests.talk import Talk


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/conversations/a%20b/messages", None, 422, "invalid-request"),
        ("GET", "/conversations/%7B0%7D/events", None, 422, "invalid-request"),
        ("GET", f"/conversations/{'x' * 65}/context", None, 422, "invalid-request"),
        ("GET", "/conversations/conv-1/events?after=-1", None, 422, "invalid-request"),
        ("GET", "/conversations/conv-1/events?limit=1001", None, 422, "invalid-request"),
        ("GET", "/conversations/conv-1/events?after=999999999999999999999", None, 422, "invalid-request"),
        ("GET", "/conversations?cursor=!!", None, 422, "invalid-request"),
        ("GET", "/conversations?cursor=bm90aGluZw", None, 422, "invalid-request"),
        # Text and numbers that PostgreSQL cannot be asked with.
        ("GET", "/conversations?customerId=a%00b", None, 422, "invalid-request"),
        ("GET", "/conversations?reservationId=%F0%9F%9B%8E%00", None, 422, "invalid-request"),
        ("GET", f"/conversations?cursor={write_cursor(2**63, 'conv-1')}", None, 422, "invalid-request"),
        ("GET", f"/conversations?cursor={write_cursor(1, chr(0))}", None, 422, "invalid-request"),
        ("GET", "/nowhere", None, 404, "not-found"),
        ("DELETE", "/conversations", None, 405, "method-not-allowed"),
        ("POST", "/conversations", b"{", 400, "malformed-json"),
        ("POST", "/conversations", b'{"customerId":"\xff"}', 400, "malformed-json"),
        ("POST", "/conversations", b'{"customerId":' + b"[" * 60_000, 400, "malformed-json"),
        ("POST", "/conversations", b"[]", 422, "invalid-request"),
        ("POST", "/conversations", b'{"customerId":"a\\nb"}', 422, "invalid-request"),
        ("POST", "/conversations", b'{"customerId":"\\ud800"}', 422, "invalid-request"),
        ("POST", "/conversations", b'{"customerId":7}', 422, "invalid-request"),
        ("POST", "/conversations", b'{"channel":"smoke"}', 422, "invalid-request"),
        ("POST", "/conversations", b'{"propertyId":"hill"}', 403, "wrong-property"),
        ("POST", "/conversations", b'{"propertyId":"nowhere"}', 403, "wrong-property"),
        ("POST", "/conversations", b'{"customerId":"' + b"x" * 70_000 + b'"}', 413, "too-large"),
        ("PATCH", "/conversations/conv-1/context", b'{"fields":{}}', 422, "invalid-request"),
        ("PATCH", "/conversations/conv-1/context", b'{"fields":{"Room":"1"}}', 422, "invalid-request"),
        ("PATCH", "/conversations/conv-1/context", b'{"fields":{"room":1}}', 422, "invalid-request"),
        ("PATCH", "/conversations/conv-1/context", b'{"fields":{"room":"\\ud800"}}', 422, "invalid-request"),
        (
            "PATCH",
            "/conversations/conv-1/context",
            b'{"fields":{"room":"' + b"x" * (MAX_CONTEXT_VALUE_CHARS + 1) + b'"}}',
            422,
            "invalid-request",
        ),
    ],
    ids=lambda value: ascii(value)[:48],
)
async def test_a_bad_request_is_a_problem_with_a_stable_code(
    client: httpx.AsyncClient,
    archive: SqlArchive,
    hot: HotConversations,
    method: str,
    path: str,
    body: bytes | None,
    status: int,
    code: str,
) -> None:
    events = call_and_chat(Talk())
    await store(archive, *events)
    hot.hold(*events)

    answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic b3Vyczo="}])
@pytest.mark.parametrize("path", ["/conversations", "/conversations/conv-1/messages"])
async def test_without_the_key_nothing_is_told(client: httpx.AsyncClient, path: str, header: dict[str, str]) -> None:
    del client.headers["Authorization"]

    answer = await client.get(path, headers=header)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_operators_need_no_key(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]

    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).json() == {"status": "ready", "checks": {"archive": "ok"}}
    lag = await client.get("/lag")
    assert (lag.status_code, lag.json()["code"]) == (503, "bus-unavailable")
    assert "botel_group_lag" in (await client.get("/metrics")).text


async def test_no_metric_bears_what_a_client_invented(client: httpx.AsyncClient) -> None:
    await client.get("/made/up")
    await client.get("/conversations/conv-77/messages")

    metrics = (await client.get("/metrics")).text

    assert "made" not in metrics
    assert "conv-77" not in metrics
    assert 'route="/conversations/{conversation_id}/messages"' in metrics
