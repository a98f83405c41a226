"""What a request asks for: the turn to answer, and the earlier lines that came with it."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from libs.contracts.errors import InvalidRequest, TooLarge
from libs.contracts.limits import MAX_MESSAGE_BYTES
from services.text_gateway.errors import EmptyMessage


class Speaker(enum.StrEnum):
    """Roles of an OpenAI-style list that are part of the conversation; instructions and tool traffic are not."""

    USER = "user"
    ASSISTANT = "assistant"


class Line(msgspec.Struct, frozen=True):
    speaker: Speaker
    text: str


class Chat(msgspec.Struct, frozen=True):
    text: str
    """The guest's words of this turn."""
    history: tuple[Line, ...] = ()
    """Lines before it, oldest first."""


def chat_of(message: str | None, lines: Sequence[Line] | None) -> Chat:
    """The turn of a request that has either a message or a list of lines.

    Of a list the last line of the user is the turn, and what stands before it is history. Raises `InvalidRequest`,
    `EmptyMessage` and `TooLarge`.
    """
    if (message is None) == (lines is None):
        raise InvalidRequest("send either message or messages")
    if lines is None:
        return Chat(_words(message or "", "message"))
    last = max((at for at, line in enumerate(lines) if line.speaker is Speaker.USER), default=-1)
    if last < 0:
        raise EmptyMessage("messages: none of them is the user's")
    history = tuple(
        Line(line.speaker, _fit(line.text, f"messages.{at}"))
        for at, line in enumerate(lines[:last])
        if line.text.strip()
    )
    return Chat(_words(lines[last].text, f"messages.{last}"), history)


def _words(text: str, field: str) -> str:
    if not text.strip():
        raise EmptyMessage
    return _fit(text, field)


def _fit(text: str, field: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{field}: not valid Unicode") from error
    if size > MAX_MESSAGE_BYTES:
        raise TooLarge(f"{field}: {size} bytes, {MAX_MESSAGE_BYTES} at most")
    return text
