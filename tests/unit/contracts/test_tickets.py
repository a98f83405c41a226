"""Tickets of calls: what a room's metadata says, and what a dispatch rule's leaves to the room's name."""

from __future__ import annotations

import pytest

from libs.contracts.calls import MAX_TICKET_BYTES, CallTicket, decode_ticket, encode_ticket, ticket_of
from libs.contracts.errors import InvalidRequest

TICKET = CallTicket(call_id="call-1", property_id="harbour", conversation_id="conv-1", guest="guest-conv-1")


def test_a_ticket_travels_as_metadata() -> None:
    assert decode_ticket(encode_ticket(TICKET)) == TICKET
    assert ticket_of("call-1", encode_ticket(TICKET)) == TICKET


@pytest.mark.parametrize("metadata", ['{"property_id": "harbour"}', '{"call_id": "", "property_id": "harbour"}'])
@pytest.mark.parametrize("room", ["call-_+4940123456_Xq7RtLmn2Pw9", "_+4940123456_Xq7RtLmn2Pw9", "desk_anna"])
def test_callers_by_phone_share_the_metadata_of_their_dispatch_rule_and_are_told_apart_by_their_rooms(
    room: str, metadata: str
) -> None:
    ticket = ticket_of(room, metadata)
    assert ticket == CallTicket(call_id=room, property_id="harbour")
    assert decode_ticket(encode_ticket(ticket)) == ticket, "watchdogs read it again"


def test_the_ticket_of_another_room_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="another room"):
        ticket_of("call-2", encode_ticket(TICKET))


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"property_id": 7}',
        '{"property_id": "a b"}',
        '{"property_id": "harbour", "call_id": 7}',
        '{"property_id": "harbour", "takeover": "two"}',
        '{"property_id": "harbour", "guest": "' + "x" * MAX_TICKET_BYTES + '"}',
    ],
)
def test_what_is_no_ticket(metadata: str) -> None:
    with pytest.raises(InvalidRequest):
        ticket_of("call-1", metadata)


@pytest.mark.parametrize("room", ["", "a b", "a:b", "a{b}", "-a", "a" * 65, "é"])
def test_a_room_whose_name_can_be_no_call(room: str) -> None:
    with pytest.raises(InvalidRequest, match="call_id"):
        ticket_of(room, '{"property_id": "harbour"}')


def test_a_ticket_alone_names_its_call() -> None:
    with pytest.raises(InvalidRequest, match="call_id"):
        decode_ticket('{"property_id": "harbour"}')
