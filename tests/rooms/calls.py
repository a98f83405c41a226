"""Calls in rooms of the native stack, as guests make them: a session over HTTP, then speech and typing in the room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from livekit import api

from deploy.call.guest import CHAT, TRANSCRIPTION, CallFailed, RoomGuest, Text
from deploy.call.recording import Span
from deploy.call.session import Way, open_session
from deploy.call.voice import spoken
from deploy.livekit.binary import find_livekit
from deploy.livekit.config import KEYS_FILE, kept_keys
from deploy.local.env import without_settings
from deploy.local.redis_server import find_redis
from deploy.local.rooms import with_livekit
from deploy.local.services import SERVICES
from deploy.local.stack import Stack
from services.voice_gateway.domain.wording import word_errors
from tests.eventually import eventually

KEY = "dev-rooms"
HEADERS = {"Authorization": f"Bearer {KEY}"}
SOON_S = 60.0
_AGAIN_S, _SAYINGS = 20.0, 3
_SPEECH = {"BOTEL_STT": "local", "BOTEL_TTS": "local"}


@contextlib.asynccontextmanager
async def room_stack(folder: Path, *, brains: int = 2, **env: str) -> AsyncIterator[Stack]:
    """Everything, a LiveKit server among it, ready for calls."""
    kept = {name: value for name, value in os.environ.items() if name == "BOTEL_LIVEKIT_SERVER"}
    base = {**without_settings(os.environ), **kept, **_SPEECH, "BOTEL_API_KEY": KEY, "BOTEL_LOG_FORMAT": "json", **env}
    services = with_livekit(SERVICES, folder, find_livekit())
    async with Stack(folder, env=base, redis=find_redis(base), brains=brains, services=services) as stack:
        yield stack


class Call:
    """One guest's call: `async with Call(stack) as call`."""

    def __init__(self, stack: Stack, customer: str = "guest-204") -> None:
        self._stack, self._customer = stack, customer
        self.guest = RoomGuest()
        self.way: Way

    async def __aenter__(self) -> Call:
        await self.guest.__aenter__()
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.guest.leave()

    async def join(self) -> None:
        """Ask for a session and enter its room: for the first time, or again."""
        asked = {"propertyId": "harbour", "customerId": self._customer}
        self.way = await open_session(self._stack.text_url, KEY, asked)
        await self.guest.join(self.way.url, self.way.token)

    async def say(self, line: str) -> Span:
        return await self.guest.say(await asyncio.to_thread(spoken, line))

    async def ask(self, line: str) -> Span:
        """Speak, and hear the whole answer."""
        said = await self.say(line)
        return await self.guest.speech(said.end_s, timeout_s=SOON_S)

    async def ask_until(self, line: str, words: str) -> None:
        """Say it until the concierge says `words`: again, as a guest would, if it was not understood."""
        for _ in range(_SAYINGS):
            await self.say(line)
            with contextlib.suppress(CallFailed):
                await self.guest.until(lambda: words in self.concierge(), timeout_s=_AGAIN_S, why="not understood")
                return
        raise AssertionError(f"{words!r} is not said; understood of {line!r}: {self.understood()}")

    def concierge(self) -> str:
        """All that the concierge's transcripts say, in order, one segment once."""
        return " ".join(text.text.strip() for text in self._last(lambda text: not self._is_guest(text)))

    def understood(self) -> list[str]:
        """What was understood of the guest."""
        return [text.text for text in self._last(self._is_guest) if text.final]

    def typed(self) -> str:
        return " ".join(text.text for text in self.guest.texts if text.topic == CHAT)

    async def until_said(self, words: str) -> None:
        await self.guest.until(lambda: words in self.concierge(), timeout_s=SOON_S, why=f"{words!r} is not said")

    def _is_guest(self, text: Text) -> bool:
        return not text.sender.startswith("concierge-")

    def _last(self, wanted: Any) -> list[Text]:
        """The latest of every transcribed segment."""
        latest: dict[str, Text] = {}
        for text in self.guest.texts:
            if text.topic == TRANSCRIPTION and wanted(text):
                latest[text.segment] = text
        return list(latest.values())


async def messages(stack: Stack, conversation_id: str) -> list[dict[str, Any]]:
    """The conversation as the context store has it."""
    url = f"{stack.store_url}/conversations/{conversation_id}/messages"
    async with aiohttp.ClientSession(headers=HEADERS) as http, http.get(url) as response:
        body = await response.json()
        assert response.status == 200, body
        found: list[dict[str, Any]] = body["messages"]
        return found


async def events(stack: Stack, conversation_id: str) -> list[dict[str, Any]]:
    """Every event of it, in order."""
    url = f"{stack.store_url}/conversations/{conversation_id}/events"
    async with aiohttp.ClientSession(headers=HEADERS) as http, http.get(url) as response:
        body = await response.json()
        assert response.status == 200, body
        found: list[dict[str, Any]] = body["events"]
        return found


async def happened(stack: Stack, conversation_id: str, kind: str, times: int = 1) -> list[dict[str, Any]]:
    """The conversation's events of one kind, as soon as there are so many."""

    async def found() -> list[dict[str, Any]]:
        return [event for event in await events(stack, conversation_id) if event["type"] == kind]

    return await eventually(found, lambda seen: len(seen) >= times, within_s=SOON_S)


async def asked(stack: Stack, conversation_id: str) -> list[str]:
    """What the guest has said and written, as the history has it."""
    return [one["text"] for one in await messages(stack, conversation_id) if one["role"] == "guest"]


def as_said(told: list[str], *lines: str) -> list[str]:
    """What was understood, put right where it is one of these lines but for a single word.

    Speech over WebRTC is not the same to the bit twice, least of all on a busy machine, and the recogniser then takes
    one short word for another: what these tests are about is which lines came, and in which order.
    """
    return [next((line for line in lines if word_errors(line, one) <= 1), one) for one in told]


async def write_elsewhere(stack: Stack, customer: str, text: str) -> dict[str, Any]:
    """A text message over HTTP, beside any call; its answer."""
    body = {"propertyId": "harbour", "customerId": customer, "message": text}
    url = f"{stack.text_url}/llm/conversations/"
    async with aiohttp.ClientSession(headers=HEADERS) as http, http.post(url, json=body) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
        return answer


@contextlib.asynccontextmanager
async def stranger(stack: Stack, call: Call) -> AsyncIterator[RoomGuest]:
    """Somebody else in the guest's room, with every right but that of being the guest."""
    keys = kept_keys(stack.directory / KEYS_FILE)
    grants = api.VideoGrants(room_join=True, room=call.way.room)
    token = api.AccessToken(keys.key, keys.secret).with_identity("stranger").with_grants(grants).to_jwt()
    async with RoomGuest() as other:
        await other.join(call.way.url, token)
        yield other


def rooms_of(stack: Stack) -> api.LiveKitAPI:
    """The API of the stack's LiveKit server, with every right; the caller closes it."""
    keys = kept_keys(stack.directory / KEYS_FILE)
    return api.LiveKitAPI(stack.url("LIVEKIT"), keys.key, keys.secret)


async def kill_busy_brain(stack: Stack) -> None:
    """`kill -9` the brain that answers just now."""
    async with aiohttp.ClientSession() as http:

        async def busy() -> str:
            for row in stack.rows():
                if row.name.startswith("brain-"):
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get(f"http://127.0.0.1:{row.port}/metrics") as response:
                            if "botel_turns_in_flight 1.0" in await response.text():
                                return row.name
            return ""

        stack.process(await eventually(busy, within_s=SOON_S)).signal(signal.SIGKILL)


def kill_job(stack: Stack, call_id: str) -> None:
    """`kill -9` the process that serves the call now."""
    served = [line for line in _log(stack) if line.get("message") == "call taken" and line.get("call_id") == call_id]
    os.kill(int(served[-1]["pid"]), signal.SIGKILL)


def _log(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in (stack.directory / "stack.log").read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line[line.index("{") :]))
    return found
