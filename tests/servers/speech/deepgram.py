"""Deepgram's live transcription (/v1/listen) and live speech (/v1/speak), both WebSockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from services.voice_gateway.speech.espeak import Espeak, Voice
from services.voice_gateway.speech.resampling import resample
from tests.servers.speech.ears import Ears
from tests.servers.speech.faults import Fault

_RATE = 16_000
_LOUD = 500
_PAUSE_BYTES = _RATE * 2 * 3 // 10
_LEAD_BYTES = _RATE * 2 // 5
_STEP_BYTES = 4_800
_CHUNK_BYTES = 4_800


class Listening:
    """One connection of GET /v1/listen: partial results while there is sound, a final one after 0.3 s of silence."""

    def __init__(self, socket: web.WebSocketResponse, ears: Ears) -> None:
        self._socket, self._ears = socket, ears
        self._lead = bytearray()
        self._waiting = bytearray()
        self._open = False
        self._quiet = 0
        self._told = ""
        self.heard_bytes = 0

    async def audio(self, pcm: bytes) -> None:
        self.heard_bytes += len(pcm)
        loud = max((abs(sample) for sample in memoryview(pcm).cast("h")), default=0) > _LOUD
        if loud and not self._open:
            self._open, self._told = True, ""
            await asyncio.to_thread(self._ears.start)
            self._waiting += self._lead
            await self._send({"type": "SpeechStarted", "channel": [0], "timestamp": 0.0})
        self._lead = (self._lead + pcm)[-_LEAD_BYTES:]
        if not self._open:
            return
        self._quiet = 0 if loud else self._quiet + len(pcm)
        self._waiting += pcm
        if len(self._waiting) >= _STEP_BYTES:
            words = await self._hear()
            if words and words != self._told:
                self._told = words
                await self._result(words, final=False)
        if self._quiet >= _PAUSE_BYTES:
            await self.finish()

    async def finish(self) -> None:
        if self._open:
            await self._hear()
            self._open, self._quiet = False, 0
            await self._result(await asyncio.to_thread(self._ears.finish), final=True)

    async def _hear(self) -> str:
        pcm = bytes(self._waiting)
        self._waiting.clear()
        return await asyncio.to_thread(self._ears.hear, pcm)

    async def _result(self, text: str, *, final: bool) -> None:
        words = [{"word": w, "punctuated_word": w, "start": 0.0, "end": 0.1, "confidence": 0.97} for w in text.split()]
        alternative = {"transcript": text, "confidence": 0.97 if text else 0.0, "words": words}
        await self._send(
            {
                "type": "Results",
                "is_final": final,
                "speech_final": final,
                "channel": {"alternatives": [alternative]},
                "metadata": {"request_id": "request-1"},
            }
        )

    async def _send(self, message: dict[str, Any]) -> None:
        if not self._socket.closed:
            await self._socket.send_json(message)


class Deepgram:
    def __init__(self, ears: Ears, espeak: Espeak, voice: Voice) -> None:
        self.ears, self._espeak, self._voice = ears, espeak, voice
        self.listening, self.speaking = Fault(), Fault()
        self.keyterms: list[str] = []
        self.models: list[str] = []
        self.controls: list[str] = []
        """Kinds of control messages that came, each once."""
        self.spoken: list[str] = []
        self.authorizations: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/listen", self._listen), web.get("/v1/speak", self._speak)]

    async def _listen(self, request: web.Request) -> web.WebSocketResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        await self.listening.admit(request)
        query = request.query
        assert (query["encoding"], query["sample_rate"], query["channels"]) == ("linear16", "16000", "1")
        self.keyterms, self.models = query.getall("keyterm", []), [*self.models, query["model"]]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        one = Listening(socket, self.ears)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                kind = json.loads(message.data)["type"]
                self.controls += [kind] if kind not in self.controls else []
                if kind in ("Finalize", "CloseStream"):
                    await one.finish()
                if kind == "CloseStream":
                    await socket.send_json({"type": "Metadata", "request_id": "request-1"})
                    break
            elif self.listening.cuts(request, one.heard_bytes):
                break
            elif not self.listening.silent:
                await one.audio(message.data)
        return socket

    async def _speak(self, request: web.Request) -> web.WebSocketResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        await self.speaking.admit(request)
        rate = int(request.query["sample_rate"])
        assert request.query["encoding"] == "linear16"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "Metadata", "request_id": "request-1"})
        text = ""
        async for message in socket:
            data = json.loads(message.data)
            if data["type"] == "Speak":
                text += data["text"]
            elif data["type"] == "Flush" and not self.speaking.silent:
                if text.strip() and not await self._say(request, socket, text, rate):
                    break
                text = ""
                await socket.send_json({"type": "Flushed", "sequence_id": 0})
            elif data["type"] == "Close":
                break
        return socket

    async def _say(self, request: web.Request, socket: web.WebSocketResponse, text: str, rate: int) -> bool:
        said = await asyncio.to_thread(self._espeak.synthesise, text, self._voice)
        pcm = resample(said.pcm, said.sample_rate, rate)
        for at in range(0, len(pcm), _CHUNK_BYTES):
            if self.speaking.cuts(request, at):
                return False
            await socket.send_bytes(pcm[at : at + _CHUNK_BYTES])
        self.spoken.append(" ".join(text.split()))
        return True
