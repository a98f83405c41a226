"""Trace context at the door: a client's goes on, nonsense is left out, and all that is written of a turn bears it."""

from __future__ import annotations

import httpx
import pytest

from libs.contracts.calls import decode_ticket
from libs.contracts.events import Author
from services.text_gateway.domain.calls import call_ended, call_started
from tests.unit.text_gateway.fake_bus import FakeBus
from tests.unit.text_gateway.test_sessions import token_of

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GUEST = {"propertyId": "harbour", "customerId": "C-1"}
LINES = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": "Pool?"},
]


async def test_all_that_a_client_brings_bears_its_trace(client: httpx.AsyncClient, bus: FakeBus) -> None:
    body = {**GUEST, "messages": LINES}
    answer = await client.post("/llm/conversations/", json=body, headers={"traceparent": CLIENT})
    written = [event for event in bus.logs[answer.json()["conversationId"]] if event.id[:5] != "reply"]
    assert len(written) == 4
    assert {event.trace for event in written} == {CLIENT}


@pytest.mark.parametrize("sent", ["", "nonsense", CLIENT.upper(), f"{CLIENT}-more", "x" * 10_000])
async def test_what_is_no_trace_context_is_left_out(client: httpx.AsyncClient, bus: FakeBus, sent: str) -> None:
    answer = await client.post("/llm/conversations/", json={**GUEST, "message": "Hi"}, headers={"traceparent": sent})
    assert answer.status_code == 200
    assert all(event.trace == "" for event in bus.logs[answer.json()["conversationId"]])


async def test_a_call_goes_on_in_the_trace_of_its_session(caller: httpx.AsyncClient, bus: FakeBus) -> None:
    answer = await caller.post("/llm/voice/sessions", json=GUEST, headers={"traceparent": CLIENT})
    ticket = decode_ticket(token_of(answer).metadata)
    [opened] = bus.logs[answer.json()["conversationId"]]
    assert opened.author is Author.SYSTEM
    assert {opened.trace, ticket.trace, call_started(ticket, 1).trace, call_ended(ticket, 2, 1).trace} == {CLIENT}
