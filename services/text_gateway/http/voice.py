"""Routes of voice sessions: the way into a room, and what LiveKit tells of rooms."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.requests import ClientDisconnect

from libs.contracts.errors import BusUnavailable, TooLarge
from libs.contracts.trace import valid_traceparent
from libs.web.api_keys import Caller
from libs.web.errors import UnsupportedMedia
from libs.web.rates import at_rate
from services.text_gateway.errors import RoomsUnavailable, WebhookDeferred
from services.text_gateway.http.models import SessionRequest, SessionResponse, WebhookResponse
from services.text_gateway.room_reports import RoomReports
from services.text_gateway.sessions import Sessions

_WEBHOOK_MEDIA = "application/webhook+json"
_CLIENT_CLOSED = 499


class VoiceDesk:
    """What the routes use; the application keeps it in `app.state.voice_desk`."""

    def __init__(self, sessions: Sessions, reports: RoomReports, *, max_webhook_bytes: int) -> None:
        self.sessions, self.reports, self.max_webhook_bytes = sessions, reports, max_webhook_bytes


def _desk(request: Request) -> VoiceDesk:
    desk: VoiceDesk = request.app.state.voice_desk
    return desk


TheVoiceDesk = Annotated[VoiceDesk, Depends(_desk)]
voice_router = APIRouter(prefix="/llm/voice", tags=["voice"])


@voice_router.post("/sessions", status_code=201, dependencies=[at_rate("sessions")])
async def open_voice_session(
    body: SessionRequest, property_id: Caller, desk: TheVoiceDesk, request: Request, response: Response
) -> SessionResponse:
    """A way into the room where the guest talks with the concierge: connect LiveKit's client with `url` and `token`.

    Whose conversation it is follows the rules of `POST /llm/conversations/`: a `conversationId` is taken part in,
    otherwise it is the guest's own, or a new one. The token opens that room alone, for a few minutes, and lets the
    guest publish a microphone and data. Entering makes the room and calls the concierge into it.

    While the guest's call goes on, this gives the way back into the same call, and entering replaces the guest's old
    connection: after a lost connection, or from another device, ask again and enter.

    Problems to come back with after `Retry-After` seconds: 503 `rooms-unavailable` (LiveKit does not answer),
    `rooms-refused` and `voice-not-configured` (for an operator), `bus-unavailable`; 429 `too-many-requests`. But for
    `bus-unavailable` no conversation was opened, and one that was there is as it was.
    """
    trace = valid_traceparent(request.headers.get("traceparent", ""))
    session = await desk.sessions.open(msgspec.structs.replace(body.wish(property_id), trace=trace))
    response.headers["Cache-Control"] = "no-store"
    return SessionResponse.of(session)


@voice_router.post(
    "/webhook",
    openapi_extra={"requestBody": {"required": True, "content": {_WEBHOOK_MEDIA: {"schema": {"type": "object"}}}}},
    response_model=WebhookResponse,
)
async def take_voice_webhook(
    request: Request, desk: TheVoiceDesk, authorization: Annotated[str, Header(max_length=8_192)] = ""
) -> WebhookResponse | Response:
    """What LiveKit tells of its rooms, signed by it: enter this address under `webhook.urls` in its configuration.

    `participant_joined` of the guest becomes `call.started` and `room_finished` becomes `call.ended`, once each, also
    when they come twice or in another order, or when the voice gateway has told already. No API key: the signature in
    `Authorization` counts, 401 `bad-signature` otherwise. 503 `webhook-deferred` asks LiveKit to send the event again.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _WEBHOOK_MEDIA:
        raise UnsupportedMedia(f"a webhook is {_WEBHOOK_MEDIA}")
    try:
        body = await request.body()
    except ClientDisconnect:
        return Response(status_code=_CLIENT_CLOSED)
    if len(body) > desk.max_webhook_bytes:
        raise TooLarge(f"a webhook of {len(body)} bytes, {desk.max_webhook_bytes} at most")
    try:
        return WebhookResponse(outcome=await desk.reports.take(body, authorization))
    except (BusUnavailable, RoomsUnavailable) as error:
        raise WebhookDeferred(error.detail) from error
