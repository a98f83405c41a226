"""Text turns through a real Redis and a brain."""

from __future__ import annotations

import asyncio

import pytest

from tests.eventually import eventually
from tests.integration.text_gateway.gateway import CHAT, Concierge, Gateway, received

GUEST = {"propertyId": "harbour", "customerId": "C-1"}
SSE = {"Accept": "text/event-stream"}
pytestmark = pytest.mark.usefixtures("brain")


async def test_an_answer(gateway: Gateway) -> None:
    answer = await gateway.client.post(CHAT, json={**GUEST, "message": "Hi"})

    assert (answer.status_code, answer.json()["response"]) == (200, "You said Hi")


async def test_an_answer_streams_while_it_is_made(gateway: Gateway, concierge: Concierge) -> None:
    concierge.go_on.clear()
    async with (
        asyncio.timeout(10),
        gateway.client.stream("POST", CHAT, json={**GUEST, "message": "Hi"}, headers=SSE) as stream,
    ):
        items = received(stream)
        turn, first = await anext(items), await anext(items)
        concierge.go_on.set()  # nothing more comes before this: the first words did not wait for the last
        rest = [item async for item in items]

    assert turn is not None
    assert first is not None
    assert (turn.event, first.event, first.data["text"]) == ("turn", "chunk", "You said ")
    assert [item.event for item in rest if item] == ["chunk", "end"]
    assert rest[-1] is not None
    assert rest[-1].data["response"] == "You said Hi"
    assert rest[-1].data["turnId"] == turn.data["turnId"]


async def test_the_same_key_is_answered_once_also_at_the_same_time(gateway: Gateway, concierge: Concierge) -> None:
    requests = [
        gateway.client.post(CHAT, json={**GUEST, "message": "Book it"}, headers={"Idempotency-Key": "k"})
        for _ in range(5)
    ]

    answers = [answer.json() for answer in await asyncio.gather(*requests)]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["response"] == "You said Book it"
    assert concierge.asked == ["Book it"]


async def test_turns_of_many_guests_at_once_get_their_own_answers(gateway: Gateway) -> None:
    async def ask(number: int) -> str:
        answer = await gateway.client.post(CHAT, json={"customerId": f"C-{number}", "message": f"number {number}"})
        return str(answer.json()["response"])

    assert await asyncio.gather(*(ask(number) for number in range(40))) == [
        f"You said number {number}" for number in range(40)
    ]


@pytest.mark.parametrize("headers", [{}, SSE], ids=["json", "events"])
async def test_a_client_that_goes_away_cancels_nothing(
    gateway: Gateway, concierge: Concierge, headers: dict[str, str]
) -> None:
    concierge.go_on.clear()
    key = {"Idempotency-Key": "k"}
    body = {**GUEST, "message": "Hi"}
    leaving = asyncio.create_task(gateway.client.post(CHAT, json=body, headers={**key, **headers}))

    async def asked() -> list[str]:
        return concierge.asked

    await eventually(asked)
    leaving.cancel()
    await asyncio.wait({leaving})
    await eventually(gateway.open_streams, lambda count: count == 0)
    concierge.go_on.set()

    answer = await gateway.client.post(CHAT, json=body, headers=key)

    assert (answer.json()["response"], answer.json()["status"]) == ("You said Hi", "finished")
    assert concierge.asked == ["Hi"]


async def test_a_client_that_goes_away_is_not_waited_for(gateway: Gateway, concierge: Concierge) -> None:
    concierge.go_on.clear()
    leaving = asyncio.create_task(gateway.client.post(CHAT, json={**GUEST, "message": "Hi"}))

    async def asked() -> list[str]:
        return concierge.asked

    await eventually(asked)
    leaving.cancel()

    async def given_up() -> bool:
        return 'status="499"' in (await gateway.client.get("/metrics")).text

    assert await eventually(given_up)
    concierge.go_on.set()


async def test_a_cancelled_turn_says_so(gateway: Gateway, concierge: Concierge) -> None:
    concierge.go_on.clear()
    body = {**GUEST, "message": "Hi"}
    async with asyncio.timeout(10), gateway.client.stream("POST", CHAT, json=body, headers=SSE) as stream:
        items = received(stream)
        turn, _ = await anext(items), await anext(items)
        assert turn is not None
        path = f"/llm/conversations/{turn.data['conversationId']}/turns/{turn.data['turnId']}"
        first = await gateway.client.post(f"{path}/cancel")
        last = [item async for item in items][-1]
        again = await gateway.client.delete(path)

    assert last is not None
    assert (last.event, last.data["code"], last.data["status"]) == ("error", "reply-cancelled", 409)
    assert (first.json()["outcome"], again.json()["outcome"]) == ("running", "done")


async def test_a_turn_cancelled_before_it_is_sent_is_refused(gateway: Gateway) -> None:
    opened = (await gateway.client.post(CHAT, json={**GUEST, "message": "Hi"})).json()
    probe = await gateway.client.post(CHAT, json={**GUEST, "message": "Later"}, headers={"Idempotency-Key": "k"})
    turns = f"/llm/conversations/{opened['conversationId']}/turns"

    early = await gateway.client.post(f"{turns}/turn-not-yet/cancel")

    assert early.json()["outcome"] == "early"
    assert (await gateway.client.post(f"{turns}/{probe.json()['turnId']}/cancel")).json()["outcome"] == "done"


async def test_a_list_is_history_to_the_next_turn(gateway: Gateway) -> None:
    lines = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Good morning."},
        {"role": "user", "content": "Is there a pool?"},
    ]
    body = (await gateway.client.post(CHAT, json={**GUEST, "messages": lines})).json()
    url = f"/llm/conversations/{body['conversationId']}/events"

    seen = []
    async with asyncio.timeout(10), gateway.client.stream("GET", url) as stream:
        async for item in received(stream):
            if item and item.event == "event":
                seen.append((item.data["type"], item.data.get("text"), item.data.get("imported", False)))
            if len(seen) == 5:
                break

    assert seen == [
        ("conversation.opened", None, False),
        ("message.received", "Hi", True),
        ("reply.generated", "Good morning.", True),
        ("message.received", "Is there a pool?", False),
        ("reply.generated", "You said Is there a pool?", False),
    ]


async def test_too_many_messages_at_once_are_busy_and_none_is_lost(gateway: Gateway, concierge: Concierge) -> None:
    concierge.go_on.clear()
    opened = asyncio.create_task(gateway.client.post(CHAT, json={**GUEST, "message": "first"}))

    async def asked() -> list[str]:
        return concierge.asked

    await eventually(asked)
    more = [gateway.client.post(CHAT, json={**GUEST, "message": f"more {number}"}) for number in range(12)]
    waiting = [asyncio.create_task(one) for one in more]

    async def refused() -> int:
        return sum(one.done() for one in waiting)

    await eventually(refused, lambda count: count == 5)  # the mailbox takes eight, the first one included
    concierge.go_on.set()
    answers = [await opened, *(await asyncio.gather(*waiting))]

    assert sorted(answer.status_code for answer in answers) == [200] * 8 + [429] * 5
    busy = next(answer for answer in answers if answer.status_code == 429)
    assert (busy.json()["code"], busy.headers["Retry-After"]) == ("busy", "2")
