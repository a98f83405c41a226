"""The audio door: calls over a WebSocket, without LiveKit. For the demo, tests, and a microphone on this machine.

`GET /call` upgrades. The client's first frame is text: who calls, as JSON (`ports.CallerIdentity`: property_id, and
customer_id, reservation_id or conversation_id; trace, a traceparent). From then on

- binary frames carry PCM16LE mono at 16 kHz both ways, in real time, about 20 ms each; the concierge's side is sent
  without a pause, silence included, so that the n-th sample received is sample n of the call;
- text frames from the server are call events (`events.AnyCallEvent`), in step with the audio; the client sends none.

The first event is `ready`, or `refused`: a stable `code`, a `detail`, and in `retry` whether to call again. Then the
server closes, with 1013 (try again later) when a later call may be taken (`no-line-free`, `bus-unavailable`), else with
1008. There is no guest authentication: the door listens on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from libs.bus.tracing import Tracer
from libs.contracts.errors import BotelError, InvalidRequest, Retry
from services.voice_gateway.audio import Overrun
from services.voice_gateway.call import VoiceCall
from services.voice_gateway.line import LocalLine
from services.voice_gateway.outbox import Outbox
from services.voice_gateway.ports import BrainLink, CallerIdentity, EndReason, Exchange, NoLineFree, UnknownProperty
from services.voice_gateway.settings import CallSettings, GatewaySettings
from services.voice_gateway.speech.providers import SpeechFactory

_log = logging.getLogger(__name__)
_HELLO_S = 5.0
_MAX_FRAME = 65_536
_LAST_S = 2.0
"""How long the last frames of a call may take on their way out."""


class Door:
    """Takes calls until it drains. `calls` is how many are on the line."""

    def __init__(
        self,
        exchange: Exchange,
        speech: SpeechFactory,
        gateway: GatewaySettings,
        call: CallSettings,
        new_id: Callable[[str], str],
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._exchange, self._speech, self._gateway, self._call, self._new_id = exchange, speech, gateway, call, new_id
        self._running: dict[str, VoiceCall] = {}
        self._draining = False

    @property
    def calls(self) -> int:
        return len(self._running)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/call", self._handle)]

    async def check(self) -> None:
        """For readiness: `NoLineFree` when the next caller would be turned away."""
        self._check_free()

    async def drain(self, grace_s: float) -> None:
        """Take no more calls; those on the line may end by themselves within the grace period."""
        self._draining = True
        waiting = [asyncio.ensure_future(call.ended) for call in self._running.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)
        for call in list(self._running.values()):
            await call.close(EndReason.SHUTDOWN)

    async def _handle(self, request: web.Request) -> web.WebSocketResponse:
        if "Origin" in request.headers:
            # A browser sends it: any page that the user of this machine has open could place a call otherwise.
            raise web.HTTPForbidden(text="the audio door is not for web pages")
        socket = web.WebSocketResponse(max_msg_size=_MAX_FRAME, heartbeat=20.0)
        await socket.prepare(request)
        outbox = Outbox(socket)
        line = LocalLine(outbox.audio)
        try:
            self._check_free()
            caller = await _hello(socket)
            self._check_property(caller.property_id)
            link = await self._exchange.connect(caller)
            call = await self._take(caller.property_id, link, line, outbox)
        except BotelError as error:
            await _refuse(socket, error)
            return socket
        await self._talk(request, socket, call, line, outbox)
        return socket

    def _check_free(self) -> None:
        if self._draining or self.calls >= self._gateway.max_calls:
            raise NoLineFree

    def _check_property(self, property_id: str) -> None:
        if property_id not in self._gateway.property_ids():
            raise UnknownProperty

    async def _take(self, property_id: str, link: BrainLink, line: LocalLine, outbox: Outbox) -> VoiceCall:
        """Put a caller through. Whatever goes wrong, the link is closed; `NoLineFree` when none is."""
        call_id = self._new_id("call")
        async with contextlib.AsyncExitStack() as unless_taken:
            unless_taken.push_async_callback(link.close)
            # Again, and from here to the call's registration without a pause: others came in while this one said hello.
            self._check_free()
            speech = self._speech.speech(property_id)
            unless_taken.push_async_callback(speech.close)
            call = self._running[call_id] = VoiceCall(
                call_id, link, speech, line, self._call, outbox.event, tracer=self._tracer
            )
            unless_taken.pop_all()
        _log.info("call taken", extra={"call_id": call_id, "conversation_id": link.conversation_id})
        return call

    async def _talk(
        self, request: web.Request, socket: web.WebSocketResponse, call: VoiceCall, line: LocalLine, outbox: Outbox
    ) -> None:
        sending = asyncio.create_task(outbox.run(), name=f"outbox {call.call_id}")
        listening = asyncio.create_task(_listen(socket, line), name=f"inbox {call.call_id}")
        ended = asyncio.ensure_future(call.ended)
        reason = EndReason.GUEST
        try:
            await call.start(self._call.greeting)
            endings: list[asyncio.Future[Any]] = [sending, listening, ended]
            done, _ = await asyncio.wait(
                endings,
                timeout=self._call.max_duration_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if ended in done:
                reason = ended.result()
            elif not done:
                reason = EndReason.SHUTDOWN
        finally:
            try:
                await call.close(reason)
            finally:
                del self._running[call.call_id]
                listening.cancel()
                outbox.end()
                if outbox.lost or not await _said_goodbye(socket, sending):
                    _cut_off(request)
                sending.cancel()
                await asyncio.gather(sending, listening, return_exceptions=True)
                _log.info("call over", extra={"call_id": call.call_id, "reason": reason})


async def _said_goodbye(socket: web.WebSocketResponse, sending: asyncio.Task[None]) -> bool:
    """Whether the client took the call's last frames and the close in time."""
    try:
        async with asyncio.timeout(_LAST_S):
            await asyncio.wait({sending})
            await socket.close()
    except TimeoutError:
        return False
    return True


def _cut_off(request: web.Request) -> None:
    """A client that does not read holds what is left for it: closing in good order would wait for that."""
    if request.transport is not None:
        request.transport.abort()


async def _hello(socket: web.WebSocketResponse) -> CallerIdentity:
    """Who calls. `InvalidRequest` for anything but a caller's identity in time."""
    try:
        first = await asyncio.wait_for(socket.receive(), _HELLO_S)
        if first.type is not WSMsgType.TEXT:
            raise InvalidRequest("the first frame is text: who calls, as JSON")
        return msgspec.json.decode(first.data, type=CallerIdentity)
    except TimeoutError as error:
        raise InvalidRequest(f"no first frame within {_HELLO_S:.0f} s") from error
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"who calls: {error}") from error


async def _listen(socket: web.WebSocketResponse, line: LocalLine) -> None:
    """Feed the microphone until the guest hangs up or sends what is not audio."""
    async for message in socket:
        if not _feed(message, line):
            return


def _feed(message: WSMessage, line: LocalLine) -> bool:
    if message.type is not WSMsgType.BINARY:
        return False
    try:
        line.microphone.feed(message.data)
    except Overrun as error:
        _log.warning("caller sends no proper audio", extra={"reason": str(error)})
        return False
    return True


async def _refuse(socket: web.WebSocketResponse, error: BotelError) -> None:
    body = {"type": "refused", "code": error.code, "detail": error.detail, "retry": error.retry.value}
    with contextlib.suppress(ConnectionError, RuntimeError):  # gone, or cut off for what it sent
        await socket.send_str(json.dumps(body))
    later = error.retry is not Retry.NEVER
    code = WSCloseCode.TRY_AGAIN_LATER if later else WSCloseCode.POLICY_VIOLATION
    await socket.close(code=code, message=error.code.encode())
