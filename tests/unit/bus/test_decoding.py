"""Reading what Redis holds: log entries, context, activations. Bad ones are named, never raised as something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.bus.log import decode_context, decode_log, number_of
from libs.bus.queue import parse_activation
from libs.contracts.codec import encode
from libs.contracts.errors import MalformedMessage
from libs.contracts.events import Author, Channel, MessageReceived, ReplyHeard
from libs.contracts.turns import MailboxItem

MESSAGE = MessageReceived(
    id="t1",
    time_ms=1,
    property_id="harbour",
    conversation_id="c",
    author=Author.GUEST,
    channel=Channel.TEXT,
    turn_id="t1",
    text="Ist das Schwimmbad offen?",
)
HEARD = ReplyHeard(
    id="h1",
    time_ms=2,
    property_id="harbour",
    conversation_id="c",
    author=Author.CONCIERGE,
    channel=Channel.VOICE,
    turn_id="t1",
    text="Ja",
    complete=True,
)


def test_log_entries_are_numbered_by_their_id() -> None:
    events = decode_log([(b"1-0", [b"b", encode(MESSAGE)]), (b"12-0", [b"b", encode(HEARD)])])
    assert [(event.number, event.id) for event in events] == [(1, "t1"), (12, "h1")]
    assert number_of(b"4711-0") == 4711


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"type":"no.such.event"}', b'{"type":"reply.heard","v":99}'])
def test_a_log_entry_that_does_not_decode_is_left_out(body: bytes) -> None:
    events = decode_log([(b"1-0", [b"b", body]), (b"2-0", [b"b", encode(HEARD)])])
    assert [event.number for event in events] == [2]


def test_context_is_pairs_of_text() -> None:
    assert decode_context([]) == {}
    assert decode_context([b"guest", "Zoë".encode(), b"room", b"12"]) == {"guest": "Zoë", "room": "12"}


def test_an_activation_bears_the_message_of_its_turn() -> None:
    activation = parse_activation("5-0", {b"c": b"c", b"t": b"t1", b"b": encode(MESSAGE)})
    assert (activation.entry_id, activation.conversation_id, activation.turn_id) == ("5-0", "c", "t1")
    assert activation.message == MESSAGE
    assert activation.reason == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"\xff", "not an event"), (b"", "not an event"), (encode(HEARD), "its event is not message.received")],
)
def test_a_bad_message_is_noted_and_the_activation_stands(body: bytes, reason: str) -> None:
    activation = parse_activation("5-0", {b"c": b"c", b"t": b"t1", b"b": body})
    assert activation.message is None
    assert activation.reason.startswith(reason)


def _is_text(value: bytes) -> bool:
    return value.decode(errors="ignore").encode() == value


@given(st.dictionaries(st.sampled_from([b"c", b"t", b"b", b"x"]), st.binary(max_size=20)))
def test_no_entry_raises_anything_but_malformed(fields: dict[bytes, bytes]) -> None:
    if all(name in fields and _is_text(fields[name]) for name in (b"c", b"t")):
        activation = parse_activation("1-0", fields)
        assert (activation.conversation_id.encode(), activation.turn_id.encode()) == (fields[b"c"], fields[b"t"])
    else:
        with pytest.raises(MalformedMessage, match="without a conversation and turn"):
            parse_activation("1-0", fields)


def test_a_mailbox_item_is_four_words() -> None:
    assert MailboxItem.parse("t1 7 0 1790000000000") == MailboxItem("t1", 7, 0, 1_790_000_000_000)
