"""What the real server tells of its rooms, signed with its keys: what the tests' server is configured for."""

import asyncio

import pytest
from aiohttp import web
from livekit import api

from deploy.call.guest import RoomGuest
from deploy.local.ports import HOST, free_port
from tests.servers.livekit import need_livekit, running_livekit


async def test_a_guest_who_comes_and_goes_is_told_of_with_a_signature_that_holds() -> None:
    need_livekit()
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        told.put_nowait((await request.text(), request.headers["Authorization"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, HOST, port).start()
    try:
        with running_livekit(webhooks=[f"http://{HOST}:{port}/hook"]) as server:
            verifier = api.WebhookReceiver(api.TokenVerifier(*server.keys))
            stranger = api.WebhookReceiver(api.TokenVerifier(server.keys.key, "s" * 32))
            async with RoomGuest() as guest:
                await guest.join(server.url, server.token("room-1", "guest"))
            events = []
            async with asyncio.timeout(60):
                while "participant_left" not in events:
                    body, signature = await told.get()
                    event = verifier.receive(body, signature)
                    assert event.room.name == "room-1"
                    events.append(event.event)
    finally:
        await runner.cleanup()

    assert {"room_started", "participant_joined", "participant_left"} <= set(events)
    with pytest.raises(Exception, match=r"[Ss]ignature"):
        stranger.receive(body, signature)
