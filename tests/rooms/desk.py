"""A hotel of one room, for tests of the terminal call: who gives out tokens, and a concierge of one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from livekit import api

from deploy.call.guest import TRANSCRIPTION, CallFailed, RoomGuest, everyone
from deploy.local.ports import HOST
from tests.servers.livekit import LiveKitServer

GUEST, CONCIERGE = "guest-1", "concierge-1"


class Desk:
    """Answers POST /llm/voice/sessions as the text gateway does. `asked` has what came: key and body."""

    def __init__(self, server: LiveKitServer, room: str) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.url = ""
        self._server, self._room = server, room

    async def session(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers["Authorization"], await request.json()))
        if self.asked[-1][0] != "Bearer dev-call":
            problem = {"title": "unauthorized", "detail": "no such key", "advice": "Send the property's key."}
            return web.json_response(problem, status=401, content_type="application/problem+json")
        token = self._server.token(self._room, GUEST)
        told = {"url": self._server.url, "token": token, "room": self._room, "conversationId": "c-1"}
        return web.json_response(told, status=201)


@asynccontextmanager
async def open_desk(server: LiveKitServer, room: str) -> AsyncIterator[Desk]:
    desk = Desk(server, room)
    app = web.Application()
    app.router.add_post("/llm/voice/sessions", desk.session)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        desk.url = f"http://{HOST}:{runner.addresses[0][1]}"
        yield desk
    finally:
        await runner.cleanup()


@asynccontextmanager
async def concierge(
    server: LiveKitServer, room: str, *, greeting: bytes, answer: bytes, hangs_up_after: int
) -> AsyncIterator[RoomGuest]:
    """Greets whoever comes, answers every stretch of speech alike, and closes the room after so many answers."""
    async with RoomGuest(hears=everyone) as voice:
        await voice.join(server.url, server.token(room, CONCIERGE, kind="agent"))

        async def serve() -> None:
            await voice.until(lambda: voice.heard.span.end_s, timeout_s=60, why="nobody calls")
            after = (await voice.say(greeting)).end_s
            for _ in range(hangs_up_after):
                after = (await voice.speech(after, pause_s=0.5)).end_s
                await transcribe(voice, GUEST, "What time is breakfast?")
                await transcribe(voice, CONCIERGE, "At seven.")
                await voice.say(answer)
            async with server.api() as rooms:
                await rooms.room.delete_room(api.DeleteRoomRequest(room=room))

        serving = asyncio.create_task(serve())
        try:
            yield voice
        finally:
            serving.cancel()
            (ended,) = await asyncio.gather(serving, return_exceptions=True)
            if isinstance(ended, Exception) and not isinstance(ended, CallFailed):
                raise ended


async def transcribe(voice: RoomGuest, speaker: str, text: str) -> None:
    """As an agent does: the words of who spoke, told in that participant's name."""
    assert voice.room
    writer = await voice.room.local_participant.stream_text(
        topic=TRANSCRIPTION, sender_identity=speaker, attributes={"lk.transcription_final": "true"}
    )
    await writer.write(text)
    await writer.aclose()
