"""A LiveKit server that does not answer, or is none: nothing is known of a room then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from pydantic import SecretStr

from libs.contracts.calls import CallTicket
from libs.rooms import RoomSettings
from services.voice_gateway.room_ports import RoomsUnavailable
from services.voice_gateway.room_service import LiveKitRooms

TICKET = CallTicket(call_id="call-1", property_id="harbour")


@pytest.fixture
async def served(request: pytest.FixtureRequest) -> AsyncIterator[BaseTestServer]:
    """Where LiveKit should be: `hangs`, or answers with that status."""
    ended = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        if request.param == "hangs":
            await ended.wait()
            return web.Response()
        return web.Response(status=request.param, text="not LiveKit")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield server
        ended.set()


@pytest.mark.parametrize("served", ["hangs", 200, 404, 503], indirect=True)
async def test_a_server_that_is_of_no_use_says_nothing_of_a_room(served: BaseTestServer) -> None:
    given = RoomSettings(url=f"ws://127.0.0.1:{served.port}", api_key="key", api_secret=SecretStr("secret" * 8))
    async with LiveKitRooms(given, timeout_s=0.3) as rooms:
        for asked in (rooms.attendance("call-1", ""), rooms.send_agent(TICKET), rooms.close("call-1")):
            with pytest.raises(RoomsUnavailable):
                await asked


async def test_a_server_that_is_away_says_nothing_of_a_room(unused_tcp_port: int) -> None:
    given = RoomSettings(url=f"ws://127.0.0.1:{unused_tcp_port}", api_key="key", api_secret=SecretStr("secret" * 8))
    async with LiveKitRooms(given, timeout_s=10) as rooms:
        with pytest.raises(RoomsUnavailable):
            await rooms.attendance("call-1", "")
