"""What decodes, what does not, and what the reader is told."""

from __future__ import annotations

import msgspec
import pytest

from libs.contracts.codec import decode, encode
from libs.contracts.errors import FutureVersion, InvalidRequest, MalformedMessage, TooLarge
from libs.contracts.events import Author, Channel, MessageReceived
from libs.contracts.limits import MAX_EVENT_BYTES

HEAD = b'"id":"e","time_ms":1,"property_id":"harbour","conversation_id":"c","author":"guest","channel":"text"'


def _message(text: str) -> MessageReceived:
    return MessageReceived(
        id="e",
        time_ms=1,
        property_id="harbour",
        conversation_id="c",
        author=Author.GUEST,
        channel=Channel.TEXT,
        text=text,
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedMessage),
        (b"\xff\xfe\x00", MalformedMessage),
        (b"null", MalformedMessage),
        (b"[]", MalformedMessage),
        (b"{}", MalformedMessage),
        (b'{"type":"message.received"}', MalformedMessage),
        (b'{"type":"message.received",' + HEAD + b"}", MalformedMessage),
        (b'{"type":"message.received",' + HEAD + b',"text":7}', MalformedMessage),
        (b'{"type":"message.received",' + HEAD + b',"text":"\xff"}', MalformedMessage),
        (b'{"type":"message.received",' + HEAD + b',"text":"x"} trailing', MalformedMessage),
        (b'{"type":7,' + HEAD + b',"text":"x"}', MalformedMessage),
        (b'{"type":"message.received","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}", MalformedMessage),
        (b'{"type":"message.received",' + HEAD + b',"text":"x","v":2}', FutureVersion),
        (b'{"type":"message.received",' + HEAD + b',"text":["new","shape"],"v":2}', FutureVersion),
        (b'{"type":"minibar.opened",' + HEAD + b"}", FutureVersion),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else value.__name__,
)
def test_a_body_that_cannot_be_read_is_one_typed_error(body: bytes, error: type[MalformedMessage]) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(body)

    assert type(caught.value) is error
    assert caught.value.detail


def test_the_reason_names_the_type_and_not_the_words() -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(b'{"type":"message.received",' + HEAD + b',"text":"my card is 4111","confidence":"high"}')

    assert "message.received" in caught.value.detail
    assert "4111" not in caught.value.detail


def test_a_field_that_this_release_does_not_know_is_passed_over() -> None:
    event = decode(b'{"type":"message.received",' + HEAD + b',"text":"x","mood":"calm"}')

    assert isinstance(event, MessageReceived)
    assert event.text == "x"


def test_the_number_is_the_logs_and_not_the_bodys() -> None:
    body = encode(_message("x"))

    assert b"number" not in body
    assert decode(body, 7).number == 7


@pytest.mark.parametrize("text", ["", "é" * 100, "\x00", "🛎️", '"}', "\u2028"])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    event = decode(encode(_message(text)))

    assert isinstance(event, MessageReceived)
    assert event.text == text


def test_the_largest_event_passes_and_a_byte_more_does_not() -> None:
    room = MAX_EVENT_BYTES - len(encode(_message("")))

    assert len(encode(_message("x" * room))) == MAX_EVENT_BYTES
    with pytest.raises(TooLarge, match=str(MAX_EVENT_BYTES)):
        encode(_message("x" * (room + 1)))


def test_half_a_surrogate_pair_is_a_typed_error() -> None:
    """JSON lets it through to Python, UTF-8 does not."""
    assert msgspec.json.decode(b'"\\ud83d\\ude00"') == "😀"
    with pytest.raises(InvalidRequest, match="Unicode"):
        encode(_message("\ud83d"))
