"""LiveKit that is down, slow, broken or refuses the key: a typed 503 soon, and nothing of a session left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pydantic import SecretStr

from deploy.local.ports import free_port
from libs.rooms import RoomSettings
from services.text_gateway.settings import VoiceSessionSettings
from tests.integration.text_gateway.gateway import keys_of_conversations, running_gateway

URL = "/llm/voice/sessions"
GUEST = {"customerId": "C-1"}
SECRET = SecretStr("a secret of more than thirty-two characters")


class Impostor:
    """What answers where LiveKit should: each request as `answer` says; None: never."""

    def __init__(self, answer: web.Response | None) -> None:
        self._answer = answer
        self.asked = asyncio.Event()
        self.end = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        self.asked.set()
        if self._answer is None:
            await self.end.wait()
            return web.Response()
        return self._answer


@contextlib.asynccontextmanager
async def standing_in(answer: web.Response | None) -> AsyncIterator[tuple[RoomSettings, Impostor]]:
    impostor, port = Impostor(answer), free_port()
    runner = web.ServerRunner(web.Server(impostor))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield RoomSettings(url=f"ws://127.0.0.1:{port}", api_key="key", api_secret=SECRET), impostor
    impostor.end.set()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "rooms-unavailable"),
        (web.Response(text="<html>a proxy's welcome</html>"), "rooms-unavailable"),
        (web.Response(status=404, text="nothing here"), "rooms-unavailable"),
        (web.Response(status=500), "rooms-unavailable"),
        (web.json_response({"code": "unavailable", "msg": "too few nodes"}, status=503), "rooms-unavailable"),
        (web.json_response({"code": "unauthenticated", "msg": "invalid API key"}, status=401), "rooms-refused"),
        (web.json_response({"code": "permission_denied", "msg": "no"}, status=403), "rooms-refused"),
        (web.Response(status=401, text="no permission to access the room"), "rooms-refused"),
    ],
    ids=["slow", "other", "not-found", "broken", "unavailable", "key", "grant", "bare-401"],
)
async def test_a_livekit_that_cannot_take_a_call(redis_url: str, answer: web.Response | None, code: str) -> None:
    session_settings = VoiceSessionSettings(timeout_s=0.2 if answer is None else 30)
    async with (
        standing_in(answer) as (where, impostor),
        running_gateway(redis_url, room_settings=where, session_settings=session_settings) as gateway,
    ):
        refused = await gateway.client.post(URL, json=GUEST)

        assert (refused.status_code, refused.json()["code"]) == (503, code)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["content-type"] == "application/problem+json"
        assert impostor.asked.is_set()
        assert await keys_of_conversations(redis_url) == set()


async def test_livekit_that_is_down_takes_no_text_and_no_readiness_with_it(redis_url: str) -> None:
    where = RoomSettings(url=f"ws://127.0.0.1:{free_port()}", api_key="key", api_secret=SECRET)
    async with running_gateway(redis_url, room_settings=where) as gateway:
        refused = await gateway.client.post(URL, json=GUEST)

        assert (refused.status_code, refused.json()["code"]) == (503, "rooms-unavailable")
        assert await keys_of_conversations(redis_url) == set()
        assert (await gateway.client.get("/readyz")).status_code == 200
        metrics = (await gateway.client.get("/metrics")).text
        assert 'botel_voice_sessions_total{outcome="rooms-unavailable"} 1.0' in metrics
