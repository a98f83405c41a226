"""What a request asks for."""

from __future__ import annotations

import pytest

from libs.contracts.errors import BotelError, InvalidRequest, TooLarge
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.text_gateway.domain.chat import Chat, Line, Speaker, chat_of
from services.text_gateway.errors import EmptyMessage

USER, ASSISTANT = Speaker.USER, Speaker.ASSISTANT
A, B, C = Line(USER, "A"), Line(ASSISTANT, "B"), Line(USER, "C")


@pytest.mark.parametrize(
    ("message", "lines", "chat"),
    [
        ("Hi", None, Chat("Hi")),
        ("  Hi\n", None, Chat("  Hi\n")),
        (None, [A], Chat("A")),
        (None, [A, B, C], Chat("C", (A, B))),
        (None, [B, C], Chat("C", (B,))),
        (None, [A, B], Chat("A")),
        (None, [A, Line(ASSISTANT, " "), C], Chat("C", (A,))),
        ("é" * (MAX_MESSAGE_BYTES // 2), None, Chat("é" * (MAX_MESSAGE_BYTES // 2))),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_the_last_line_of_the_user_is_the_turn(message: str | None, lines: list[Line] | None, chat: Chat) -> None:
    assert chat_of(message, lines) == chat


@pytest.mark.parametrize(
    ("message", "lines", "error"),
    [
        (None, None, InvalidRequest),
        ("Hi", [A], InvalidRequest),
        ("", None, EmptyMessage),
        (" \n\t", None, EmptyMessage),
        (None, [], EmptyMessage),
        (None, [B], EmptyMessage),
        (None, [A, Line(USER, " ")], EmptyMessage),
        ("x" * (MAX_MESSAGE_BYTES + 1), None, TooLarge),
        ("é" * MAX_MESSAGE_BYTES, None, TooLarge),
        (None, [Line(USER, "x" * (MAX_MESSAGE_BYTES + 1)), C], TooLarge),
        ("half \ud83d", None, InvalidRequest),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_request_without_a_turn(message: str | None, lines: list[Line] | None, error: type[BotelError]) -> None:
    with pytest.raises(BotelError) as caught:
        chat_of(message, lines)

    assert type(caught.value) is error
