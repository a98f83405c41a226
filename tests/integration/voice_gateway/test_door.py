"""The audio door over a real WebSocket: one call, and everyone who is turned away."""

from __future__ import annotations

import asyncio
import base64
import json
import socket as sockets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from libs.contracts.errors import UnknownConversation
from services.voice_gateway.audio import FRAME_BYTES, SAMPLE_RATE
from services.voice_gateway.door import Door
from services.voice_gateway.ports import BrainLink, CallerIdentity, NoLineFree, VoiceUnavailable
from services.voice_gateway.settings import CallSettings, GatewaySettings, SpeechSettings
from services.voice_gateway.speech.espeak import Espeak
from services.voice_gateway.speech.providers import Speech, SpeechFactory
from services.voice_gateway.speech.resampling import resample
from tests.integration.voice_gateway.callers import GUEST, ScriptedBrain, reply
from tests.integration.voice_gateway.truth import loudness

HELLO = {"property_id": "harbour", "customer_id": "guest-1"}


class OneBrain:
    """Connects every caller to the same brain, those of property `nobody` to none."""

    def __init__(self, brain: ScriptedBrain) -> None:
        self.brain = brain
        self.callers: list[CallerIdentity] = []
        self.connecting = asyncio.Event()
        self.lets_through = asyncio.Event()
        self.lets_through.set()

    async def connect(self, caller: CallerIdentity) -> BrainLink:
        self.callers.append(caller)
        self.connecting.set()
        await self.lets_through.wait()
        if caller.conversation_id == "nobody":
            raise UnknownConversation
        return self.brain


def narrow(transports: list[asyncio.Transport]) -> Middleware:
    """Small buffers, so that a caller who does not read is noticed within seconds; keeps the connections."""

    @web.middleware
    async def narrowing(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4_096)
        transports.append(transport)
        return await handler(request)

    return narrowing


async def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.01)


@asynccontextmanager
async def opened(
    brain: ScriptedBrain,
    *,
    max_calls: int = 2,
    voices: type[SpeechFactory] = SpeechFactory,
    middlewares: Sequence[Middleware] = (),
) -> AsyncIterator[tuple[Door, str, OneBrain]]:
    numbers = iter(range(1, 100))
    async with aiohttp.ClientSession() as http:
        speech = voices(SpeechSettings(stt="local", tts="local"), http)
        await asyncio.to_thread(speech.warm)
        exchange = OneBrain(brain)
        door = Door(
            exchange,
            speech,
            GatewaySettings(max_calls=max_calls),
            CallSettings(greeting=""),
            lambda kind: f"{kind}-{next(numbers)}",
        )
        app = web.Application(middlewares=middlewares)
        app.add_routes(door.routes())
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield door, f"http://127.0.0.1:{runner.addresses[0][1]}/call", exchange
        finally:
            await runner.cleanup()
            speech.close()


class Caller:
    """Reads a call: its events, and its audio."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self.audio = bytearray()
        self.events: list[dict[str, Any]] = []

    async def until(self, kind: str, timeout_s: float = 60) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    assert len(message.data) == FRAME_BYTES
                    self.audio += message.data
                else:
                    event: dict[str, Any] = json.loads(message.data)
                    self.events.append(event)
                    if event["type"] == kind:
                        return event
        raise AssertionError(f"the call ended without {kind!r}: {[e['type'] for e in self.events]}")


async def test_a_call_through_the_door(espeak: Espeak) -> None:
    brain = ScriptedBrain(reply("Breakfast is at eight."))
    async with opened(brain) as (door, url, exchange), aiohttp.ClientSession() as http:
        async with http.ws_connect(url) as socket:
            await socket.send_json(HELLO)
            caller = Caller(socket)
            ready = await caller.until("ready")
            said = espeak.synthesise("what time is breakfast served on monday", GUEST)
            pcm = resample(said.pcm, said.sample_rate, SAMPLE_RATE)
            for at in range(0, len(pcm), 32_000):
                await socket.send_bytes(pcm[at : at + 32_000])
            asked = await caller.until("asked")
            heard = await caller.until("heard")
            assert door.calls == 1
        await until(lambda: ("closed", "") in brain.journal)
    assert (ready["conversation_id"], ready["sample_rate"]) == ("conv-test", SAMPLE_RATE)
    assert asked["text"] == "what time is breakfast served on monday"
    assert (heard["heard"], heard["complete"]) == ("Breakfast is at eight.", True)
    playout = {event["what"]: event["position"] for event in caller.events if event["type"] == "playout"}
    assert loudness(caller.audio[playout["started"] * 2 : playout["finished"] * 2]) > 100
    assert loudness(caller.audio[: playout["started"] * 2]) == 0, "positions count the samples received"
    assert exchange.callers[0].customer_id == "guest-1"
    assert [what for what, _ in brain.journal] == ["started", "ask", "heard", "ended", "closed"]


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"\x00\x00", "invalid-request"),
        ("{", "invalid-request"),
        ("[]", "invalid-request"),
        ("{}", "invalid-request"),
        (json.dumps({"property_id": 7}), "invalid-request"),
        (json.dumps({"property_id": "nobody"}), "unknown-property"),
        (json.dumps({"property_id": "harbour", "conversation_id": "nobody"}), "unknown-conversation"),
    ],
)
async def test_a_first_frame_that_does_not_tell_who_calls(first: str | bytes, code: str) -> None:
    async with opened(ScriptedBrain()) as (door, url, _), aiohttp.ClientSession() as http, http.ws_connect(url) as ws:
        await (ws.send_str(first) if isinstance(first, str) else ws.send_bytes(first))
        refused = await Caller(ws).until("refused", timeout_s=5)
        assert refused["code"] == code
        assert (await ws.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        assert ws.close_code == WSCloseCode.POLICY_VIOLATION
        assert door.calls == 0


async def test_pages_are_turned_away_and_so_is_who_comes_too_late() -> None:
    async with opened(ScriptedBrain()) as (door, url, _), aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await http.ws_connect(url, origin="https://example.com")
        await door.drain(0)
        async with http.ws_connect(url) as socket:
            await socket.send_json(HELLO)
            assert (await Caller(socket).until("refused", timeout_s=5))["code"] == "no-line-free"


@pytest.mark.parametrize("noise", [b"\x01", "", "hello"])
async def test_no_more_calls_than_lines_and_noise_on_the_wire_ends_only_its_own(noise: str | bytes) -> None:
    brain = ScriptedBrain()
    async with opened(brain, max_calls=1) as (door, url, _), aiohttp.ClientSession() as http:
        async with http.ws_connect(url) as first:
            await first.send_json(HELLO)
            await Caller(first).until("ready")
            async with http.ws_connect(url) as second:
                await second.send_json(HELLO)
                refused = await Caller(second).until("refused", timeout_s=5)
                assert (refused["code"], refused["retry"]) == ("no-line-free", "later")
                await second.receive()
                assert second.close_code == WSCloseCode.TRY_AGAIN_LATER
                with pytest.raises(NoLineFree):
                    await door.check()
            await (first.send_str(noise) if isinstance(noise, str) else first.send_bytes(noise))
            ended = await Caller(first).until("ended", timeout_s=5)
            assert ended["reason"] == "guest-left"
        assert door.calls == 0
        await door.check()


async def test_draining_ends_running_calls_in_good_order() -> None:
    brain = ScriptedBrain()
    async with opened(brain) as (door, url, _), aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.send_json(HELLO)
        caller = Caller(socket)
        await caller.until("ready")
        draining = asyncio.create_task(door.drain(0.1))
        assert (await caller.until("ended", timeout_s=5))["reason"] == "shutdown"
        await draining
    assert ("ended", "shutdown") in brain.journal


async def test_who_says_hello_while_the_door_closes_is_turned_away_and_leaves_no_link_open() -> None:
    brain = ScriptedBrain()
    async with opened(brain) as (door, url, exchange), aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        exchange.lets_through.clear()
        await socket.send_json(HELLO)
        async with asyncio.timeout(30):
            await exchange.connecting.wait()
        await door.drain(0)
        exchange.lets_through.set()
        assert (await Caller(socket).until("refused", timeout_s=5))["code"] == "no-line-free"
        assert door.calls == 0
    assert brain.journal == [("closed", "")]


class Mute(SpeechFactory):
    """Has no voice when it is wanted."""

    def speech(self, property_id: str = "") -> Speech:
        raise VoiceUnavailable("the voice is gone")


async def test_a_call_without_a_voice_is_refused_and_leaves_no_link_open() -> None:
    brain = ScriptedBrain()
    async with opened(brain, voices=Mute) as (door, url, _), aiohttp.ClientSession() as http:
        async with http.ws_connect(url) as socket:
            await socket.send_json(HELLO)
            refused = await Caller(socket).until("refused", timeout_s=5)
        assert (refused["code"], refused["detail"]) == ("voice-unavailable", "the voice is gone")
        assert door.calls == 0
    assert brain.journal == [("closed", "")]


async def test_a_client_that_does_not_read_cannot_hold_up_the_end_of_its_call() -> None:
    transports: list[asyncio.Transport] = []
    async with opened(ScriptedBrain(), middlewares=[narrow(transports)]) as (door, url, _):
        with sockets.socket() as client:
            client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", URL(url).port))
            await loop.sock_sendall(client, UPGRADE + masked(json.dumps(HELLO).encode()))
            await until(lambda: bool(transports) and transports[0].get_write_buffer_size() > 65_536, timeout_s=10)
            await door.drain(0)
            await until(transports[0].is_closing)
            assert door.calls == 0


UPGRADE = (
    b"GET /call HTTP/1.1\r\nHost: door\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    """One text frame of a client, under the mask 0."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
