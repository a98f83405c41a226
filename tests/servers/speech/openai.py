"""OpenAI's speech (/v1/audio/speech: PCM, or server-sent events) and transcription (/v1/audio/transcriptions)."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave

from aiohttp import BodyPartReader, web

from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample
from tests.servers.speech.ears import Ears
from tests.servers.speech.faults import Fault

_RATE = 24_000
_CHUNK_BYTES = 4_800


class OpenAISpeech:
    """`events`: answer with server-sent events where they are asked for, as OpenAI does; else with plain audio, as
    most servers that speak its protocol do."""

    def __init__(self, ears: Ears, espeak: Espeak, voice: Voice) -> None:
        self.ears, self._espeak, self._voice = ears, espeak, voice
        self.hearing, self.speaking = Fault(), Fault()
        self.events = True
        self.spoken: list[str] = []
        self.prompts: list[str] = []
        self.authorizations: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/audio/speech", self._speech),
            web.post("/v1/audio/transcriptions", self._transcription),
        ]

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        await self.speaking.admit(request)
        body = await request.json()
        assert body["response_format"] == "pcm"
        said = await asyncio.to_thread(self._espeak.synthesise, body["input"], self._voice)
        pcm = resample(said.pcm, said.sample_rate, _RATE)
        events = self.events and body.get("stream_format") == "sse"
        kind = "text/event-stream" if events else "audio/pcm"
        response = web.StreamResponse(headers={"x-request-id": "request-1", "Content-Type": kind})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for at in range(0, len(pcm), _CHUNK_BYTES):
            if self.speaking.cuts(request, at):
                return response
            chunk = pcm[at : at + _CHUNK_BYTES]
            await response.write(
                _event("speech.audio.delta", audio=base64.b64encode(chunk).decode()) if events else chunk
            )
        if events:
            usage = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
            await response.write(_event("speech.audio.done", usage=usage))
        self.spoken.append(body["input"])
        await response.write_eof()
        return response

    async def _transcription(self, request: web.Request) -> web.Response:
        self.authorizations.append(request.headers.get("Authorization", ""))
        await self.hearing.admit(request)
        fields: dict[str, bytes] = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            fields[part.name or ""] = bytes(await part.read())
        assert fields["model"]
        assert fields["response_format"] == b"json"
        self.prompts.append(fields.get("prompt", b"").decode())
        with wave.open(io.BytesIO(fields["file"])) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            pcm = resample(file.readframes(file.getnframes()), file.getframerate(), 16_000)
        return web.json_response({"text": await asyncio.to_thread(self._hear, pcm)})

    def _hear(self, pcm: bytes) -> str:
        self.ears.start()
        self.ears.hear(pcm)
        return self.ears.finish()


def _event(kind: str, **fields: object) -> bytes:
    return f"data: {json.dumps({'type': kind, **fields})}\n\n".encode()
