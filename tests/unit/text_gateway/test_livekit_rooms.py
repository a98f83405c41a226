"""What a token grants, and which webhooks are LiveKit's."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import time
from typing import Any

import pytest
from livekit import api
from pydantic import SecretStr

from libs.contracts.calls import AGENT_NAME, CallTicket, decode_ticket
from libs.contracts.errors import InvalidRequest
from libs.rooms import RoomSettings
from services.text_gateway.errors import BadSignature
from services.text_gateway.livekit_rooms import LiveKitRooms
from services.text_gateway.settings import VoiceSessionSettings

KEY, SECRET = "key", "a secret of more than thirty-two characters"
TICKET = CallTicket(call_id="call-1", property_id="harbour", conversation_id="conv-1", guest="guest-conv-1")
BODY = json.dumps(
    {
        "event": "participant_joined",
        "id": "EV_1",
        "createdAt": "1700000061",
        "room": {"name": "call-1", "metadata": "of the room", "creationTime": "1700000000"},
        "participant": {"identity": "guest-conv-1", "kind": "STANDARD"},
        "of_a_later_release": 1,
    }
).encode()


def rooms(**settings: Any) -> LiveKitRooms:
    where = RoomSettings(url="ws://inside", public_url="wss://outside", api_key=KEY, api_secret=SecretStr(SECRET))
    return LiveKitRooms(where, VoiceSessionSettings(**settings), now_ms=lambda: 1_000)


def signed(body: bytes, *, key: str = KEY, secret: str = SECRET, ttl_s: int = 300, of: bytes | None = None) -> str:
    digest = base64.b64encode(hashlib.sha256(body if of is None else of).digest()).decode()
    token = api.AccessToken(key, secret).with_ttl(datetime.timedelta(seconds=ttl_s)).with_sha256(digest)
    return token.to_jwt()


def test_a_token_opens_one_room_for_a_microphone_and_calls_the_concierge_into_it() -> None:
    admission = rooms(token_ttl_s=60, empty_timeout_s=7, departure_timeout_s=8, max_participants=3).admit(
        TICKET, "guest-conv-1"
    )

    claims = api.TokenVerifier(KEY, SECRET).verify(admission.token)
    assert (admission.url, admission.expires_ms) == ("wss://outside", 61_000)
    assert claims.identity == "guest-conv-1"
    assert claims.video == api.VideoGrants(
        room_join=True,
        room="call-1",
        can_publish=True,
        can_publish_sources=["microphone"],
        can_subscribe=True,
        can_publish_data=True,
    )
    config = claims.room_config
    assert config
    assert (config.empty_timeout, config.departure_timeout, config.max_participants) == (7, 8, 3)
    (dispatch,) = config.agents
    assert dispatch.agent_name == AGENT_NAME
    assert decode_ticket(config.metadata) == decode_ticket(dispatch.metadata) == TICKET


def test_a_token_runs_out() -> None:
    before = int(time.time())

    token = rooms(token_ttl_s=60).admit(TICKET, "guest").token

    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert before + 60 <= claims["exp"] <= int(time.time()) + 60


@pytest.mark.parametrize("before", ["", "Bearer ", "bearer "])
def test_a_webhook_with_the_right_signature(before: str) -> None:
    event = rooms().verify(BODY, before + signed(BODY))

    assert (event.id, event.kind, event.room, event.metadata) == (
        "EV_1",
        "participant_joined",
        "call-1",
        "of the room",
    )
    assert (event.identity, event.caller, event.age_ms) == ("guest-conv-1", True, 61_000)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "nonsense",
        "a.b.c",
        "\xff",
        signed(BODY, secret="another secret of more than thirty-two characters"),
        signed(BODY, key="another"),
        signed(BODY, of=b"another body"),
        signed(BODY, ttl_s=-3_600),
        api.AccessToken(KEY, SECRET).to_jwt(),
        api.AccessToken(KEY, SECRET).with_sha256("no digest").to_jwt(),
        f"{signed(BODY).rsplit('.', 1)[0]}.",
    ],
    ids=["none", "bare", "word", "dots", "latin", "secret", "key", "tampered", "old", "undigested", "odd", "unsigned"],
)
def test_a_webhook_of_somebody_else(authorization: str) -> None:
    with pytest.raises(BadSignature):
        rooms().verify(BODY, authorization)


def test_a_guests_token_signs_no_webhook() -> None:
    with pytest.raises(BadSignature):
        rooms().verify(BODY, rooms().admit(TICKET, "guest").token)


@pytest.mark.parametrize("body", [b"", b"{", b"7", b'{"event": 7}', b'{"createdAt": "soon"}'])
def test_signed_nonsense_is_no_event(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        rooms().verify(body, signed(body))


def test_bytes_that_are_no_text_are_nobodys() -> None:
    with pytest.raises(BadSignature):
        rooms().verify(b"\xff", signed(b"\xff"))


@pytest.mark.parametrize(("kind", "caller"), [("STANDARD", True), ("SIP", True), ("AGENT", False), ("EGRESS", False)])
def test_who_is_a_person(kind: str, caller: bool) -> None:
    body = json.dumps({"event": "participant_joined", "participant": {"identity": "x", "kind": kind}}).encode()

    assert rooms().verify(body, signed(body)).caller is caller


def test_the_age_of_a_room_in_milliseconds_when_it_is_told() -> None:
    def age(**room: str) -> int:
        body = json.dumps({"event": "room_finished", "createdAt": "1700000061", "room": room}).encode()
        return rooms().verify(body, signed(body)).age_ms

    assert age(creationTime="1700000000", creationTimeMs="1700000000250") == 60_750
    assert age(creationTime="1700000062") == 0
    assert age() == 0
