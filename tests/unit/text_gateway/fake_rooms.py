"""LiveKit in memory. Keeps the promises of `ports.Rooms`; tokens are JSON, signatures are a word."""

from __future__ import annotations

import msgspec

from libs.contracts.calls import CallTicket, encode_ticket
from libs.contracts.errors import InvalidRequest
from services.text_gateway.errors import BadSignature
from services.text_gateway.ports import Admission, Room, RoomEvent

SIGNATURE = "signed"


class FakeToken(msgspec.Struct):
    identity: str
    room: str
    metadata: str


class FakeCalls:
    """Keeps who is to be answered; as the real ones, each call once."""

    def __init__(self) -> None:
        self.expected: dict[str, CallTicket] = {}

    async def expect(self, ticket: CallTicket, wait_ms: int) -> bool:
        return self.expected.setdefault(ticket.call_id, ticket) is ticket


class FakeRooms:
    """`refuse` is raised by whatever would ask the server, while set."""

    def __init__(self) -> None:
        self.refuse: Exception | None = None
        self.rooms: dict[str, Room] = {}
        self.asked: list[str] = []

    async def find(self, name: str) -> Room | None:
        self.asked.append(name)
        if self.refuse:
            raise self.refuse
        return self.rooms.get(name)

    def admit(self, ticket: CallTicket, identity: str) -> Admission:
        token = FakeToken(identity, ticket.call_id, encode_ticket(ticket))
        return Admission("ws://rooms", msgspec.json.encode(token).decode(), 1_800_000_000_000)

    def verify(self, body: bytes, authorization: str) -> RoomEvent:
        if authorization != SIGNATURE:
            raise BadSignature
        try:
            return msgspec.json.decode(body, type=RoomEvent)
        except msgspec.MsgspecError as error:
            raise InvalidRequest("no event") from error

    def enter(self, token: str) -> FakeToken:
        """What the server does when a guest comes with a token: makes the room if there is none."""
        who = msgspec.json.decode(token, type=FakeToken)
        self.rooms.setdefault(who.room, Room(who.room, who.metadata))
        return who
