"""ElevenLabs' speech over one WebSocket for many texts (multi-stream-input), with a time for every character."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from services.voice_gateway.speech.espeak import Espeak, Utterance, Voice
from services.voice_gateway.speech.resampling import resample
from tests.servers.speech.faults import Fault

_CHUNK_MS = 100


class ElevenLabs:
    def __init__(self, espeak: Espeak, voice: Voice) -> None:
        self._espeak, self._voice = espeak, voice
        self.speaking = Fault()
        self.spoken: list[str] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self._sent_ms: dict[str, int] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/text-to-speech/{voice}/multi-stream-input", self._stream)]

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        self.keys.append(request.headers.get("xi-api-key", ""))
        self.paths.append(request.path_qs)
        await self.speaking.admit(request)
        assert request.query["sync_alignment"] == "true"
        kind, rate = request.query["output_format"].split("_")
        assert kind == "pcm"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        texts: dict[str, str] = {}
        async for message in socket:
            data = json.loads(message.data)
            context = data["context_id"]
            if self.speaking.silent:
                continue
            texts[context] = texts.get(context, "") + data.get("text", "")
            text = texts.pop(context) if data.get("flush") else ""
            if text.strip() and not await self._say(request, socket, context, text, int(rate)):
                break
            if data.get("close_context"):
                await socket.send_json({"isFinal": True, "contextId": context})
        return socket

    async def _say(
        self, request: web.Request, socket: web.WebSocketResponse, context: str, text: str, rate: int
    ) -> bool:
        said = await asyncio.to_thread(self._espeak.synthesise, text, self._voice)
        pcm = resample(said.pcm, said.sample_rate, rate)
        begin = self._sent_ms.get(context, 0)
        chars = _characters(said, begin)
        size = rate * 2 * _CHUNK_MS // 1000
        for at in range(0, len(pcm), size):
            if self.speaking.cuts(request, at):
                return False
            until = begin + at // (rate * 2 // 1000) + _CHUNK_MS
            last = at + size >= len(pcm)
            now = [one for one in chars if one[1] < until or last]
            chars = chars[len(now) :]
            await socket.send_json(
                {
                    "audio": base64.b64encode(pcm[at : at + size]).decode(),
                    "alignment": _alignment(now),
                    "normalizedAlignment": _alignment([(char.upper(), start, ms) for char, start, ms in now]),
                    "contextId": context,
                }
            )
        self._sent_ms[context] = begin + said.duration_ms
        self.spoken.append(" ".join(text.split()))
        return True


def _characters(said: Utterance, begin_ms: int) -> list[tuple[str, int, int]]:
    """Every character with its begin and duration, spread evenly over its word."""
    out = []
    ends = [*(word.start_ms for word in said.words[1:]), said.duration_ms]
    for word, end in zip(said.words, ends, strict=True):
        step = (end - word.start_ms) / max(1, len(word.text))
        out += [(char, begin_ms + int(word.start_ms + at * step), int(step)) for at, char in enumerate(word.text)]
    return out


def _alignment(chars: list[tuple[str, int, int]]) -> dict[str, Any] | None:
    if not chars:
        return None
    return {
        "chars": [char for char, _, _ in chars],
        "charStartTimesMs": [start for _, start, _ in chars],
        "charDurationsMs": [ms for _, _, ms in chars],
    }
