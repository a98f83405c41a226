"""What Redis has forgotten is asked of the store: only when it is missing, once, and never at the turn's expense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import msgspec
import pytest
from pydantic import SecretStr, ValidationError

from libs.contracts.events import AnyEvent
from services.brain.earlier import EarlierEvents, earlier_events
from services.brain.settings import BrainSettings
from tests.talk import Talk

Answer = Callable[[httpx2.Request], httpx2.Response]


class Store:
    """Serves a conversation of ten events, and counts; `fails` says how it does not."""

    def __init__(self) -> None:
        talk = Talk()
        self.events: list[AnyEvent] = [talk.opened(), *(talk.asks(f"line {at}", f"{at}") for at in range(2, 11))]
        self.asked: list[tuple[str, str]] = []
        self.fails: Answer | None = None

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        query = request.url.params
        self.asked.append((request.url.path, request.headers["Authorization"]))
        if self.fails:
            return self.fails(request)
        after, limit = int(query["after"]), int(query["limit"])
        found = [msgspec.to_builtins(event) for event in self.events if event.number > after][:limit]
        unknown = {"number": after + 1, "type": "unknown", "reason": "from a newer release", "body": "{}"}
        return httpx2.Response(200, json={"events": [unknown, *found[1:]], "next": None, "complete": True})


class Asking:
    """Events 8 to 10 are in the log."""

    def __init__(self, store: Store, limit: int = 400, timeout_s: float = 30) -> None:
        self.store = store
        self.http = httpx2.AsyncClient(transport=httpx2.MockTransport(store))
        keys = {"harbour": "secret"}
        self.earlier = EarlierEvents(self.http, "http://store/", keys, limit=limit, timeout_s=timeout_s)

    async def numbers(self, first: int = 8, property_id: str = "harbour") -> list[int]:
        log = [event for event in self.store.events if event.number >= first]
        return [event.number for event in await self.earlier.before(property_id, "conv-1", log)]


@pytest.fixture
def store() -> Store:
    return Store()


async def test_what_is_missing_is_asked_for_once(store: Store) -> None:
    asking = Asking(store)
    assert await asking.numbers() == [2, 3, 4, 5, 6, 7], "what this release cannot read is left out"
    assert await asking.numbers() == [2, 3, 4, 5, 6, 7]
    assert store.asked == [("/conversations/conv-1/events", "Bearer secret")]


async def test_a_log_that_reaches_back_or_is_long_asks_nobody(store: Store) -> None:
    assert await Asking(store).numbers(first=1) == []
    assert await Asking(store, limit=3).numbers() == []
    assert await Asking(store).numbers(property_id="hill") == [], "no key for it"
    assert await Asking(store).earlier.before("harbour", "conv-1", []) == ()
    assert store.asked == []


async def test_only_as_much_as_the_limit_leaves_room_for(store: Store) -> None:
    assert await Asking(store, limit=6).numbers() == [6, 7]


async def test_a_log_that_had_grown_was_answered_with_more_than_the_limit(store: Store) -> None:
    asking = Asking(store, limit=8)
    assert await asking.numbers() == [4, 5, 6, 7]
    talk = Talk()
    store.events += [msgspec.structs.replace(talk.asks(f"line {at}", f"{at}"), number=at) for at in range(11, 14)]
    assert await asking.numbers() == [6, 7]
    store.events += [msgspec.structs.replace(talk.asks(f"line {at}", f"{at}"), number=at) for at in range(14, 16)]
    assert await asking.numbers() == [], "the log alone is as long as the limit"
    assert len(store.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx2.Response(503, json={"code": "archive-unavailable"}),
        lambda _: httpx2.Response(404, json={"code": "unknown-conversation"}),
        lambda _: httpx2.Response(200, content=b"<html>"),
        lambda _: httpx2.Response(200, json={"events": [{"no": "number"}]}),
        lambda _: httpx2.Response(200, json={"events": 7}),
    ],
    ids=["unavailable", "unknown", "no json", "no number", "no list"],
)
async def test_a_store_that_fails_costs_the_past_and_not_the_turn(store: Store, answer: Answer) -> None:
    asking, store.fails = Asking(store), answer
    assert await asking.numbers() == []
    store.fails = None
    assert await asking.numbers() == [2, 3, 4, 5, 6, 7], "a failure is not remembered"


async def test_a_store_that_hangs_is_not_waited_for() -> None:
    async def hangs(_: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(hangs))
    earlier = EarlierEvents(http, "http://store", {"harbour": "secret"}, limit=400, timeout_s=0.05)
    async with asyncio.timeout(30):
        assert await earlier.before("harbour", "conv-1", Store().events[7:]) == ()


async def test_without_a_url_nobody_is_asked() -> None:
    async with earlier_events("", {}, limit=400, timeout_s=1) as nobody:
        assert nobody is None


def test_keys_of_the_store_are_by_property_and_malformed_ones_are_told() -> None:
    assert BrainSettings(store_keys=SecretStr("harbour:a:b, alpine:c")).keys_of_store() == {
        "harbour": "a:b",
        "alpine": "c",
    }
    with pytest.raises(ValidationError, match="store_keys") as told:
        BrainSettings(store_keys=SecretStr("a-secret"))
    assert "a-secret" not in str(told.value.errors(include_input=False))
