"""A client that keeps to the protocol and nothing else: it stitches replies by turn and offset, and checks as it reads.

What it knows is what came over HTTP; a stream may break off anywhere and be taken up on another server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import httpx

from tests.integration.text_gateway.gateway import CHAT, Received, received

SSE = {"Accept": "text/event-stream"}


class Reader:
    """One client of one conversation."""

    def __init__(self) -> None:
        self.conversation_id = ""
        self.last_id = ""
        self.texts: dict[str, bytes] = {}
        """What is known of each turn's reply."""
        self.events: dict[int, dict[str, Any]] = {}
        """Events of the log, by number."""
        self.end: dict[str, Any] = {}
        """Data of the `end` of a POST."""
        self.errors: list[dict[str, Any]] = []
        self.archived: list[dict[str, Any]] = []

    def text(self, turn_id: str) -> str:
        return self.texts.get(turn_id, b"").decode()

    async def post(
        self, client: httpx.AsyncClient, body: dict[str, Any], key: str, until: Callable[[Received], bool] | None = None
    ) -> bool:
        """Say something; True when the stream came to its end, or to where `until` says so; False when it broke off."""
        headers = {**SSE, "Idempotency-Key": key}
        with contextlib.suppress(httpx.TransportError):
            async with client.stream("POST", CHAT, json=body, headers=headers) as response:
                assert response.status_code == 200, (await response.aread()).decode()
                return await self._read(response, until)
        return False

    async def follow(self, client: httpx.AsyncClient, until: Callable[[Received], bool] | None = None) -> bool:
        """Take up the conversation's events after the last id; answers as `post` does."""
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        url = f"/llm/conversations/{self.conversation_id}/events"
        with contextlib.suppress(httpx.TransportError):
            async with client.stream("GET", url, headers=headers) as response:
                assert response.status_code == 200, (await response.aread()).decode()
                return await self._read(response, until)
        return False

    async def _read(self, response: httpx.Response, until: Callable[[Received], bool] | None) -> bool:
        async for item in received(response):
            if item is None:
                continue
            self.take(item)
            if item.event in ("end", "error") or (until and until(item)):
                return True
        return False

    def take(self, item: Received) -> None:
        """Check one event against all that came before it."""
        data = item.data
        match item.event:
            case "turn":
                self.conversation_id = data["conversationId"]
            case "chunk":
                self._stitch(data["turnId"], data["offset"], data["text"].encode())
            case "event":
                self._record(data)
            case "archived":
                assert int(self.last_id or 0) == data["after"]
                self.archived.append(data)
            case "end":
                self.end = data
                assert data["response"] == self.text(data["turnId"])
            case "error":
                self.errors.append(data)
        self.last_id = item.id or self.last_id

    def _stitch(self, turn_id: str, offset: int, text: bytes) -> None:
        have = self.texts.get(turn_id, b"")
        assert offset <= len(have), f"words are missing: {offset} after {len(have)}"
        known = have[offset : offset + len(text)]
        assert text.startswith(known), f"other words at {offset}: {text!r}, {known!r} before"
        self.texts[turn_id] = have + text[len(known) :]

    def _record(self, event: dict[str, Any]) -> None:
        number = event["number"]
        assert number == int(self.last_id or 0) + 1, f"event {number} after {self.last_id!r}"
        self.events[number] = event
        if event["type"] == "reply.generated" and not event.get("imported"):
            assert event["text"] == self.text(event["turn_id"]), "the reply is not what was streamed"
