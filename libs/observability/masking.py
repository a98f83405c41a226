"""What a log line may say: never what a guest or the concierge said, unless the setting shows words.

Nobody can know every line that a library writes, so the rule is about where a text comes from and not what it says.
A message is shown if it stands in the source as it is; one that was put together at run time, from whatever, is masked.
Libraries' texts within a message and in fields are masked but for those that are known to be ids and the like; numbers
stay. Of an exception the type and the way through the code stay, and its text, which may quote anything, does not.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any

from libs.bus.tracing import MASKED
from libs.contracts.errors import BotelError

_OURS = ("libs", "services", "deploy", "benchmarks", "tests")
_TRUSTED = (*_OURS, "uvicorn", "opentelemetry")
"""What these put into a message or a field is shown: none of them is handed words to log. Ours log by STYLE: static
messages, and no words in fields."""
_WORDS = frozenset(
    [
        *("text", "words", "transcript", "content", "messages", "prompt", "instructions", "query", "body"),
        *("arguments", "args", "kwargs", "input", "inputs", "output", "outputs", "result", "results"),
        *("response", "reply", "answer"),
    ]
)
"""Fields that bear words by their name, whoever logs them."""
_KNOWN = frozenset(
    [
        *("id", "sid", "pid", "url", "region", "version", "protocol", "agent_name", "room", "participant", "model"),
        *("provider", "label", "source", "state", "old_state", "new_state", "kind", "type", "error_type"),
        *("code", "status", "status_code", "method"),
    ]
)
"""Fields of libraries whose texts are names of things."""
_NATIVE = ("livekit", "%s:%s:%s - %s")
"""What LiveKit's native library logs: target, line and module are names in its source; its message may say anything."""
_MAX_CHAIN = 8
_MAX_FRAMES = 40

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Masking:
    """`show`: everything is as it was logged."""

    def __init__(self, *, show: bool) -> None:
        self._show = show

    def message(self, record: logging.LogRecord) -> str:
        """The record's message, or as much of it as is known to be nobody's words."""
        if self._show:
            return record.getMessage()
        if not isinstance(record.msg, str) or not _stands_in_source(record):
            return MASKED
        if not record.args:
            return record.msg
        trusted = _is_of(record.name, _TRUSTED)
        args: Any = record.args
        if isinstance(args, Mapping):
            args = {key: _argument(value, trusted) for key, value in args.items()}
        else:
            native = (record.name, record.msg) == _NATIVE
            args = tuple(_argument(value, trusted or (native and place != 3)) for place, value in enumerate(args))
        try:
            return str(record.msg % args)
        except (TypeError, ValueError):  # a number was wanted where something else was masked
            return record.msg

    def fields(self, name: str, given: Mapping[str, object]) -> dict[str, object]:
        """What a logger of this name gave beside the message."""
        if self._show:
            return dict(given)
        trusted = _is_of(name, _TRUSTED)
        return {key: _field(key, value, trusted) for key, value in given.items() if not _is_personal(key)}

    def exception(self, info: ExcInfo) -> str:
        """A traceback with types and places."""
        if self._show:
            return "".join(traceback.format_exception(*info)).rstrip()
        return "\n".join(_told(info[1])) if info[1] else ""

    def text(self, text: str) -> str:
        return text if self._show else MASKED


def _stands_in_source(record: logging.LogRecord) -> bool:
    """Whether the code that logs has this very text as a constant: an f-string, or a variable, it has not."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        if frame.f_lineno == record.lineno and frame.f_code.co_filename == record.pathname:
            return record.msg in frame.f_code.co_consts
        frame = frame.f_back
    return False


def _argument(value: object, trusted: bool) -> object:
    if isinstance(value, int | float) or value is None:
        return value
    if isinstance(value, BaseException):
        return _about(value)
    return value if trusted else MASKED


def _field(key: str, value: object, trusted: bool) -> object:
    if isinstance(value, int | float) or value is None:
        return value
    if isinstance(value, BaseException):
        return _about(value)
    if key in _WORDS:
        return MASKED
    return value if trusted or key in _KNOWN or key.endswith("_id") else MASKED


def _is_personal(key: str) -> bool:
    """LiveKit marks what a guest said, or who they are, by a segment of the name: `lk.pii.user_input`."""
    return "pii" in key.split(".")


def _is_of(name: str, families: tuple[str, ...]) -> bool:
    return name.partition(".")[0] in families


def _about(error: BaseException) -> str:
    """What kind of error it is. An operating system's number tells more, and quotes nobody."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, BotelError):
        return f"{name}: {error.code}"
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return f"{name}: errno {error.errno}"
    return name


def _told(error: BaseException) -> list[str]:
    """As Python tells it, the cause first, without texts."""
    lines: list[str] = []
    at: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if at is None:
            break
        own = ["Traceback (most recent call last):"] if at.__traceback__ else []
        own += [line.rstrip() for line in traceback.StackSummary.extract(traceback.walk_tb(at.__traceback__)).format()]
        own.append(f"{_about(at)} {MASKED}")
        if isinstance(at, BaseExceptionGroup):
            own += [f"  of it: {line}" for inner in at.exceptions for line in _told(inner)]
        lines = [*own, "", "which was followed by:", "", *lines] if lines else own
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return lines
