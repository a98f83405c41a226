"""Speech providers on loopback, speaking their real protocols: Deepgram's live transcription, OpenAI's speech.

They need no model: the recogniser "hears" the lines it is given, one per stretch of sound; the voice is eSpeak NG's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample

_LOUD = 500
_PAUSE_BYTES = 16_000 * 2 * 3 // 10


class SpeechServer:
    """`url` when it runs. `heard` are the requests that came, `broken` makes the voice answer 500."""

    def __init__(self, *lines: str) -> None:
        self.url = ""
        self.lines = list(lines)
        self.spoken: list[str] = []
        self.authorizations: list[str] = []
        self.broken = False
        self._espeak = Espeak()

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        """GET /v1/listen: partial results while there is sound, a final one after 0.3 s of silence."""
        self.authorizations.append(request.headers.get("Authorization", ""))
        assert request.query["encoding"] == "linear16"
        assert request.query["sample_rate"] == "16000"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sound = quiet = 0
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                if json.loads(message.data)["type"] == "CloseStream":
                    break
                continue
            samples = memoryview(message.data).cast("h")
            if max((abs(sample) for sample in samples), default=0) > _LOUD:
                if not sound:
                    await socket.send_json({"type": "SpeechStarted", "channel": [0], "timestamp": 0.0})
                sound, quiet = sound + len(message.data), 0
                if self.lines and sound > 16_000:
                    await self._result(socket, " ".join(self.lines[0].split()[:2]), final=False)
            elif sound:
                quiet += len(message.data)
                if quiet >= _PAUSE_BYTES and self.lines:
                    await self._result(socket, self.lines.pop(0), final=True)
                    sound = quiet = 0
        return socket

    async def _result(self, socket: web.WebSocketResponse, text: str, *, final: bool) -> None:
        words = [{"word": w, "punctuated_word": w, "start": 0.0, "end": 0.1, "confidence": 0.97} for w in text.split()]
        await socket.send_json(
            {
                "type": "Results",
                "is_final": final,
                "speech_final": final,
                "channel": {"alternatives": [{"transcript": text, "confidence": 0.97, "words": words}]},
                "metadata": {"request_id": "request-1"},
            }
        )

    async def speech(self, request: web.Request) -> web.Response:
        """POST /v1/audio/speech: PCM at 24 kHz."""
        self.authorizations.append(request.headers.get("Authorization", ""))
        if self.broken:
            return web.json_response({"error": {"message": "overloaded"}}, status=500)
        body = await request.json()
        assert body["response_format"] == "pcm"
        self.spoken.append(body["input"])
        said = self._espeak.synthesise(body["input"], Voice())
        return web.Response(
            body=resample(said.pcm, said.sample_rate, 24_000),
            content_type="audio/pcm",
            headers={"x-request-id": "request-1"},
        )


@asynccontextmanager
async def running_speech(*lines: str) -> AsyncIterator[SpeechServer]:
    server = SpeechServer(*lines)
    app = web.Application()
    app.add_routes([web.get("/v1/listen", server.listen), web.post("/v1/audio/speech", server.speech)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
