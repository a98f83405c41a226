"""Logging of a process: one JSON object per line, a static message, everything that varies in fields.

Any module logs with the standard library, `log.info("turn committed", extra={"epoch": 3})`; only a composition root
calls `configure`. The ids of `log_ids` are added to every line of the task they were bound in: of a turn its
conversation, turn, trace and span. What guests and the concierge say is in no line, at no level and whoever logs it
(libs.observability.masking), unless BOTEL_SHOW_WORDS switches it on.
"""

from __future__ import annotations

import contextvars
import datetime
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from libs.bus.tracing import MASKED
from libs.contracts.trace import parse_traceparent
from libs.observability.masking import ExcInfo, Masking
from libs.observability.settings import LogFormat, ObservabilitySettings

MAX_FIELD_CHARS = 2_000
_SELDOM_S = 60.0
_IDS = ("worker_id", "property_id", "conversation_id", "turn_id", "trace_id", "span_id")
_bound: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("botel_log_ids", default=None)
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
    "ready",
}
_log = logging.getLogger(__name__)


@contextmanager
def log_ids(
    *, property_id: str = "", conversation_id: str = "", turn_id: str = "", worker_id: str = "", trace: str = ""
) -> Iterator[None]:
    """Add these ids to every line logged inside, in this task and those started from it; empty ones change nothing.

    `trace`: a traceparent, told as `trace_id` and `span_id`.
    """
    context = parse_traceparent(trace)
    given = {
        "property_id": property_id,
        "conversation_id": conversation_id,
        "turn_id": turn_id,
        "worker_id": worker_id,
        "trace_id": context.trace_id if context else "",
        "span_id": context.span_id if context else "",
    }
    token = _bound.set({**(_bound.get() or {}), **{key: value for key, value in given.items() if value}})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_ids() -> dict[str, str]:
    """The ids bound here, by field name."""
    return dict(_bound.get() or {})


class Ready(logging.Filter):
    """Makes a record ready for whichever formatter comes after, once: its masked message, its fields, its exception.

    A record that was made ready in another process, where it was logged, is left as it is.
    """

    def __init__(self, service: str, worker_id: str, masking: Masking) -> None:
        super().__init__()
        self._always = {"service": service, **({"worker_id": worker_id} if worker_id else {})}
        self._masking = masking

    def filter(self, record: logging.LogRecord) -> bool:
        given = {key: value for key, value in vars(record).items() if key not in _STANDARD and key != "fields"}
        masked = self._masking.fields(record.name, given)
        before = vars(record).get("fields")
        if vars(record).get("ready") is True and isinstance(before, dict):
            record.fields = {**before, **masked}
            return True
        message = self._masking.message(record)
        fields: dict[str, object] = {**self._always, **bound_ids(), **masked}
        if message == MASKED:
            fields.setdefault("logged_at", f"{record.filename}:{record.lineno}")
        if record.exc_info:
            fields["exception"] = self._masking.exception(_info(record.exc_info))
        record.msg, record.args, record.fields, record.ready = message, None, fields, True
        record.exc_info = record.exc_text = record.stack_info = None
        return True


class _Seldom(logging.Filter):
    """Of what an exporter says while its collector is away, one line a minute for each message."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("opentelemetry."):
            return True
        key, now = f"{record.name}:{record.lineno}", time.monotonic()
        if now - self._told.get(key, -_SELDOM_S) < _SELDOM_S:
            return False
        self._told[key] = now
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
            line.setdefault(key, value if key == "exception" else _bounded(value))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One readable line: time, level, logger, message, fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in _fields(record).items() if key not in ("service", "exception")}
        tail = "".join(f" {key}={_bounded(value)}" for key, value in fields.items())
        text = f"{_time(record):%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.name}: "
        text += record.getMessage() + tail
        if told := _fields(record).get("exception"):
            text += f"\n{told}"
        return text


def _info(given: object) -> ExcInfo:
    return given if isinstance(given, tuple) else sys.exc_info()


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
    masking = Masking(show=settings.show_words)
    handler = logging.StreamHandler(out)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    handler.addFilter(_Seldom())
    handler.addFilter(Ready(service, worker_id, masking))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.value)
    for name in ("httpx", "httpx2", "httpcore", "uvicorn.access"):
        # They tell every request, some with its whole address.
        logging.getLogger(name).setLevel(logging.WARNING)
    _catch_the_rest(masking)


def configure_child(settings: ObservabilitySettings, *, service: str) -> None:
    """The same for a process whose records go to its parent, by handlers that are there already: only here is known
    which source logged them and which ids were bound."""
    masking = Masking(show=settings.show_words)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Seldom())
        handler.addFilter(Ready(service, "", masking))
    _catch_the_rest(masking)


def _catch_the_rest(masking: Masking) -> None:
    """What Python itself would write to standard error, texts and all: uncaught exceptions, and warnings, of which
    pydantic's quote values."""

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            _log.critical("uncaught exception", exc_info=(kind, error, trace))

    def warned(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        at = f"{filename}:{lineno}"
        _log.warning(
            "python warning", extra={"category": category.__name__, "at": at, "about": masking.text(str(message))}
        )

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        if args.exc_value:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, uncaught_in_thread, unraisable
    warnings.showwarning = warned
