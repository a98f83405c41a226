"""The text gateway's protocol as a client sees it: post a message, read its reply, follow a conversation, withdraw."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import aiohttp

PROPERTY = "harbour"


class Frame(NamedTuple):
    """One server-sent event."""

    name: str
    data: dict[str, Any]
    id: str


class Refused(Exception):
    """The gateway answered with a problem."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after_s: float) -> None:
        super().__init__(f"{status} {problem.get('code')}")
        self.status, self.problem, self.retry_after_s = status, problem, retry_after_s

    @property
    def again(self) -> bool:
        """Whether the same request may succeed later."""
        return bool(self.problem.get("retry", "later") != "never")


class Wire:
    """Several gateways, one key. Raises `Refused`, and aiohttp's errors when a connection breaks."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], key: str) -> None:
        self._session, self.urls = session, urls
        self._headers = {"Authorization": f"Bearer {key}"}

    @contextlib.asynccontextmanager
    async def post(self, url: str, customer: str, text: str, key: str) -> AsyncIterator[AsyncIterator[Frame]]:
        """Say something; the frames of its reply."""
        body = {"propertyId": PROPERTY, "customerId": customer, "message": text}
        headers = {**self._headers, "Accept": "text/event-stream", "Idempotency-Key": key}
        async with self._session.post(f"{url}/llm/conversations/", json=body, headers=headers) as response:
            await _check(response)
            yield _frames(response)

    async def ask(self, url: str, customer: str, text: str, key: str) -> dict[str, Any]:
        """Say something; the whole answer."""
        body = {"propertyId": PROPERTY, "customerId": customer, "message": text}
        headers = {**self._headers, "Idempotency-Key": key}
        async with self._session.post(f"{url}/llm/conversations/", json=body, headers=headers) as response:
            await _check(response)
            answer: dict[str, Any] = await response.json()
            return answer

    @contextlib.asynccontextmanager
    async def follow(self, url: str, conversation: str, after: int) -> AsyncIterator[AsyncIterator[Frame]]:
        """Everything in a conversation after an event number."""
        headers = {**self._headers, **({"Last-Event-ID": str(after)} if after else {})}
        async with self._session.get(f"{url}/llm/conversations/{conversation}/events", headers=headers) as response:
            await _check(response)
            yield _frames(response)

    async def withdraw(self, url: str, conversation: str, turn: str) -> str:
        """Cancel a turn; the outcome."""
        path = f"{url}/llm/conversations/{conversation}/turns/{turn}/cancel"
        async with self._session.post(path, headers=self._headers) as response:
            await _check(response)
            return str((await response.json())["outcome"])


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 200:
        return
    try:
        problem = await response.json(content_type=None)
    except ValueError:
        problem = {}
    raise Refused(response.status, problem or {}, float(response.headers.get("Retry-After", 0.2)))


async def _frames(response: aiohttp.ClientResponse) -> AsyncIterator[Frame]:
    name = identity = ""
    async for raw in response.content:
        field, _, value = raw.decode().rstrip("\n").partition(": ")
        if field == "id":
            identity = value
        elif field == "event":
            name = value
        elif field == "data":
            yield Frame(name, json.loads(value), identity)
            name = identity = ""
