"""Logging of a process: one JSON object per line, a static message, everything that varies in fields.

Any module logs with the standard library, `log.info("turn committed", extra={"epoch": 3})`; only a composition root
calls `configure`. The ids of `log_ids` are added to every line of the task they were bound in. What a guest said is
never logged at INFO or above: fields that a library marks as personal (`lk.pii.user_input`) are dropped there.
"""

from __future__ import annotations

import contextvars
import datetime
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from libs.observability.settings import LogFormat, ObservabilitySettings

MAX_FIELD_CHARS = 2_000
_IDS = ("worker_id", "property_id", "conversation_id", "turn_id")
_bound: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("botel_log_ids", default=None)
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


@contextmanager
def log_ids(
    *, property_id: str = "", conversation_id: str = "", turn_id: str = "", worker_id: str = ""
) -> Iterator[None]:
    """Add these ids to every line logged inside, in this task and those started from it; empty ones change nothing."""
    given = {
        "property_id": property_id,
        "conversation_id": conversation_id,
        "turn_id": turn_id,
        "worker_id": worker_id,
    }
    token = _bound.set({**(_bound.get() or {}), **{key: value for key, value in given.items() if value}})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_ids() -> dict[str, str]:
    """The ids bound here, by field name."""
    return dict(_bound.get() or {})


class _Fields(logging.Filter):
    """Gathers a record's fields once, for whichever formatter comes after; without words of a guest, from INFO."""

    def __init__(self, service: str, worker_id: str) -> None:
        super().__init__()
        self._always = {"service": service, **({"worker_id": worker_id} if worker_id else {})}

    def filter(self, record: logging.LogRecord) -> bool:
        given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.levelno >= logging.INFO:
            given = {key: value for key, value in given.items() if not _is_personal(key)}
        record.fields = {**self._always, **bound_ids(), **given}
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in _fields(record).items():
            line.setdefault(key, _bounded(value))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One readable line: time, level, logger, message, fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in _fields(record).items() if key != "service"}
        tail = "".join(f" {key}={_bounded(value)}" for key, value in fields.items())
        text = f"{_time(record):%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.name}: "
        text += record.getMessage() + tail
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _is_personal(key: str) -> bool:
    """LiveKit marks what a guest said, or who they are, by a segment of the name: `lk.pii.user_input`."""
    return "pii" in key.split(".")


def _time(record: logging.LogRecord) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(record.created, datetime.UTC)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", {})
    assert isinstance(fields, dict)
    return {key: fields[key] for key in sorted(fields, key=_order)}


def _order(key: str) -> tuple[int, str]:
    return (_IDS.index(key), "") if key in _IDS else (len(_IDS), key)


def _bounded(value: object) -> object:
    if isinstance(value, int | float | bool) or value is None:
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_FIELD_CHARS else text[:MAX_FIELD_CHARS] + "..."


def configure(
    settings: ObservabilitySettings, *, service: str, worker_id: str = "", stream: TextIO | None = None
) -> None:
    """Set the root logger of this process up, replacing what was there. Called once, by a composition root."""
    out = stream or sys.stderr
    text = settings.log_format is LogFormat.TEXT or (settings.log_format is LogFormat.AUTO and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    handler.addFilter(_Fields(service, worker_id))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.value)
    for name in ("httpx", "httpx2", "httpcore", "uvicorn.access"):
        # They tell every request, some with its whole address.
        logging.getLogger(name).setLevel(logging.WARNING)
