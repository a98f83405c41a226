"""All providers on one free port of the loopback interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from services.voice_gateway.speech.espeak import Espeak, Voice
from tests.servers.speech.deepgram import Deepgram
from tests.servers.speech.ears import Ears
from tests.servers.speech.elevenlabs import ElevenLabs
from tests.servers.speech.openai import OpenAISpeech


class SpeechServer:
    """`url` when it runs. Every provider keeps what it was asked, and can be made to fail."""

    def __init__(self, ears: Ears, voice: Voice) -> None:
        self.url = ""
        espeak = Espeak()
        self.deepgram = Deepgram(ears, espeak, voice)
        self.openai = OpenAISpeech(ears, espeak, voice)
        self.elevenlabs = ElevenLabs(espeak, voice)


@asynccontextmanager
async def running_speech(ears: Ears, voice: Voice | None = None) -> AsyncIterator[SpeechServer]:
    server = SpeechServer(ears, voice or Voice())
    app = web.Application()
    for provider in (server.deepgram, server.openai, server.elevenlabs):
        app.add_routes(provider.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
