"""LiveKit's rooms over its server API: the only module of this service that knows it.

Rooms are not made here. A token carries what its room is to be, and the server makes the room when the guest enters,
with the concierge called into it: a session that nobody uses costs LiveKit nothing.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType

import aiohttp
from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError
from livekit import api

from libs.contracts.calls import AGENT_NAME, CallTicket, encode_ticket
from libs.contracts.errors import InvalidRequest
from libs.rooms import RoomSettings
from services.text_gateway.errors import BadSignature, RoomsRefused, RoomsUnavailable
from services.text_gateway.ports import Admission, Room, RoomEvent
from services.text_gateway.settings import VoiceSessionSettings

_PEOPLE = {api.ParticipantInfo.Kind.STANDARD, api.ParticipantInfo.Kind.SIP}
_BEARER = "bearer "


class LiveKitRooms:
    """Implements `ports.Rooms`; use as `async with`. Starts without a server, too: `find` then says so."""

    def __init__(self, where: RoomSettings, settings: VoiceSessionSettings, *, now_ms: Callable[[], int]) -> None:
        self._where, self._settings, self._now_ms = where, settings, now_ms
        secret = where.api_secret.get_secret_value()
        self._receiver = api.WebhookReceiver(api.TokenVerifier(where.api_key, secret))
        self._api: api.LiveKitAPI | None = None

    async def find(self, name: str) -> Room | None:
        """See `ports.Rooms.find`."""
        assert self._api, "used outside `async with`"
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                found = await self._api.room.list_rooms(api.ListRoomsRequest(names=[name]))
        except api.ServerError as error:
            if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise RoomsRefused from error
            raise RoomsUnavailable(f"LiveKit answers {error.status}: try again in a moment") from error
        except TimeoutError as error:
            raise RoomsUnavailable(f"no answer of LiveKit in {self._settings.timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError, DecodeError) as error:  # the last two: no LiveKit answers
            raise RoomsUnavailable from error
        return next((Room(room.name, room.metadata) for room in found.rooms if room.name == name), None)

    def admit(self, ticket: CallTicket, identity: str) -> Admission:
        """See `ports.Rooms.admit`. The grant: that room, a microphone, listening, and data."""
        metadata = encode_ticket(ticket)
        settings = self._settings
        token = (
            api.AccessToken(self._where.api_key, self._where.api_secret.get_secret_value())
            .with_identity(identity)
            .with_ttl(datetime.timedelta(seconds=settings.token_ttl_s))
            .with_grants(
                api.VideoGrants(
                    room_join=True,
                    room=ticket.call_id,
                    can_publish=True,
                    can_publish_sources=["microphone"],
                    can_subscribe=True,
                    can_publish_data=True,
                )
            )
            .with_room_config(
                api.RoomConfiguration(
                    empty_timeout=settings.empty_timeout_s,
                    departure_timeout=settings.departure_timeout_s,
                    max_participants=settings.max_participants,
                    metadata=metadata,
                    agents=[api.RoomAgentDispatch(agent_name=AGENT_NAME, metadata=metadata)],
                )
            )
        )
        expires_ms = self._now_ms() + settings.token_ttl_s * 1_000
        return Admission(self._where.guest_url, token.to_jwt(), expires_ms)

    def verify(self, body: bytes, authorization: str) -> RoomEvent:
        """See `ports.Rooms.verify`. LiveKit sends the token alone, others put `Bearer` before it."""
        token = authorization[len(_BEARER) :] if authorization.lower().startswith(_BEARER) else authorization
        try:
            event = self._receiver.receive(body.decode(), token.strip())
        except ParseError as error:  # it is signed, and no event
            raise InvalidRequest("the webhook is no event of LiveKit's") from error
        except Exception as error:  # the library raises what its parts raise, Exception itself among it
            raise BadSignature from error
        began_ms = event.room.creation_time_ms or event.room.creation_time * 1_000
        return RoomEvent(
            id=event.id,
            kind=event.event,
            room=event.room.name,
            metadata=event.room.metadata,
            identity=event.participant.identity,
            caller=event.participant.kind in _PEOPLE,
            age_ms=max(0, event.created_at * 1_000 - began_ms) if began_ms and event.created_at else 0,
        )

    async def __aenter__(self) -> LiveKitRooms:
        where, timeout = self._where, aiohttp.ClientTimeout(total=self._settings.timeout_s)
        self._api = api.LiveKitAPI(where.url, where.api_key, where.api_secret.get_secret_value(), timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._api:
            await self._api.aclose()
