"""What stands around every route: a limit on bodies, an id on requests, an answer to any failure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from libs.contracts.ids import is_id
from libs.web.api_keys import ApiKeys
from libs.web.application import new_application
from libs.web.paging import read_cursor, write_cursor

LIMIT = 1_024


class Watcher:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.told.append((method, route, status))


class Body(BaseModel):
    text: str


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def app(watcher: Watcher) -> FastAPI:
    made = new_application("Test", api_keys=ApiKeys({}), max_body_bytes=LIMIT, watcher=watcher)

    @made.post("/texts/{name}")
    async def take(name: str, body: Body) -> int:
        return len(body.text)

    @made.get("/fails")
    async def fails() -> None:
        raise RuntimeError("password=hunter2")

    @made.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("password=hunter2")

        return StreamingResponse(parts())

    @made.get("/id")
    async def told(request: Request) -> str:
        return str(request.state.request_id)

    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


def parts_of(size: int, taken: list[int], part: int = 100) -> AsyncIterator[bytes]:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"text":"'
        for _ in range(size // part):
            taken.append(part)
            yield b"x" * part
        yield b'"}'

    return parts()


async def test_a_body_up_to_the_limit_passes(client: httpx.AsyncClient) -> None:
    room = LIMIT - len(b'{"text":""}')

    answer = await client.post(
        "/texts/a", content=b'{"text":"' + b"x" * room + b'"}', headers={"Content-Type": "application/json"}
    )

    assert answer.json() == room


async def test_an_announced_length_beyond_the_limit_is_refused_before_the_body(client: httpx.AsyncClient) -> None:
    taken: list[int] = []

    answer = await client.post(
        "/texts/a",
        content=parts_of(10_000, taken),
        headers={"Content-Type": "application/json", "Content-Length": "10011"},
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert taken == []


async def test_a_body_of_no_announced_length_is_refused_while_it_arrives(client: httpx.AsyncClient) -> None:
    taken: list[int] = []

    answer = await client.post(
        "/texts/a", content=parts_of(1_000_000, taken), headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert sum(taken) <= LIMIT + 100


async def test_a_failure_is_a_problem_and_a_log_line_with_the_same_id(
    client: httpx.AsyncClient, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/fails")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    (record,) = [record for record in caplog.records if record.message == "request failed"]
    assert record.request_id == answer.json()["request_id"]  # type: ignore[attr-defined]
    assert watcher.told == [("GET", "/fails", 500)]


async def test_half_an_answer_is_cut_and_never_completed(client: httpx.AsyncClient) -> None:
    with pytest.raises(RuntimeError):
        await client.get("/breaks-off")


@pytest.mark.parametrize("given", ["req-1", "a" * 64])
async def test_a_callers_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/id", headers={"X-Request-ID": given})

    assert answer.json() == answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
async def test_an_odd_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/id", headers={"X-Request-ID": given})

    assert answer.json() == answer.headers["X-Request-ID"] != given
    assert is_id(answer.json())


async def test_the_watcher_is_told_templates_and_never_paths(client: httpx.AsyncClient, watcher: Watcher) -> None:
    await client.post("/texts/somebody", json={"text": "x"})
    await client.get("/nowhere")
    await client.post("/texts/somebody", json={})

    assert watcher.told == [("POST", "/texts/{name}", 200), ("GET", "", 404), ("POST", "/texts/{name}", 422)]


@pytest.mark.parametrize(("time_ms", "id_"), [(0, "a"), (1_792_000_000_000, "conv-1"), (7, "x" * 64)])
def test_a_cursor_comes_back(time_ms: int, id_: str) -> None:
    assert read_cursor(write_cursor(time_ms, id_)) == (time_ms, id_)
    assert read_cursor("") is None
