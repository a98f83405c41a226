import asyncio
import io
import json
import logging
import pickle
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from libs.observability.logs import MAX_FIELD_CHARS, bound_ids, configure, configure_child, log_ids
from libs.observability.settings import LogFormat, LogLevel, ObservabilitySettings

CARD = "my card number is 4711"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks


def configured(stream: io.StringIO, **given: LogFormat | LogLevel | bool) -> logging.Logger:
    configure(ObservabilitySettings.model_validate(given), service="brain", worker_id="w1", stream=stream)
    return logging.getLogger("services.brain.somewhere")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_ids_and_fields() -> None:
    out = io.StringIO()
    log = configured(out)

    with log_ids(property_id="harbour", conversation_id="c1"), log_ids(turn_id="t1"):
        log.info("turn committed", extra={"epoch": 7})

    (line,) = lines(out)
    assert line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "services.brain.somewhere",
        "message": "turn committed",
        "service": "brain",
        "worker_id": "w1",
        "property_id": "harbour",
        "conversation_id": "c1",
        "turn_id": "t1",
        "epoch": 7,
    }


def test_ids_end_with_their_block_and_stay_in_their_task() -> None:
    async def turn(turn_id: str, barrier: asyncio.Barrier) -> str:
        with log_ids(turn_id=turn_id):
            await barrier.wait()
            return bound_ids()["turn_id"]

    async def both() -> list[str]:
        barrier = asyncio.Barrier(2)
        return list(await asyncio.gather(turn("a", barrier), turn("b", barrier)))

    assert asyncio.run(both()) == ["a", "b"]
    assert bound_ids() == {}


def test_a_field_cannot_replace_the_message_or_break_the_line() -> None:
    out = io.StringIO()
    log = configured(out)

    log.warning("dead letter", extra={"level": "forged", "reason": 'two\nlines "quoted"', "entry": "x" * 10_000})

    (line,) = lines(out)
    assert line["level"] == "WARNING"
    assert line["reason"] == 'two\nlines "quoted"'
    assert len(str(line["entry"])) == MAX_FIELD_CHARS + 3


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.TEXT])
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
@pytest.mark.parametrize("shown", [False, True])
def test_a_guest_s_words_that_a_library_adds_to_a_line_are_logged_if_words_are_shown(
    level: int, form: LogFormat, shown: bool
) -> None:
    out = io.StringIO()
    configured(out, log_format=form, log_level=LogLevel.DEBUG, show_words=shown)

    given = {"lk.pii.user_input": "my card number is 4711", "speech_id": "s-1"}
    logging.getLogger("livekit.agents").log(level, "skipping user input, speech scheduling is paused", extra=given)

    assert ("4711" in out.getvalue()) is shown
    assert "skipping user input" in out.getvalue()
    assert "s-1" in out.getvalue(), "other fields stay"


def test_a_line_of_a_turn_bears_its_trace() -> None:
    out = io.StringIO()
    log = configured(out)

    with log_ids(turn_id="t1", trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        log.info("turn committed")
    with log_ids(turn_id="t2", trace="nonsense"):
        log.info("turn committed")

    first, second = lines(out)
    assert (first["trace_id"], first["span_id"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert "trace_id" not in second


@pytest.mark.parametrize(("shown", "told"), [(True, "KeyError: 'gone'"), (False, "KeyError (masked)")])
def test_an_exception_is_a_field(shown: bool, told: str) -> None:
    out = io.StringIO()
    log = configured(out, show_words=shown)

    try:
        raise KeyError("gone")
    except KeyError:
        log.exception("claim failed")

    (line,) = lines(out)
    assert told in str(line["exception"])
    assert "test_an_exception_is_a_field" in str(line["exception"])


def test_records_of_a_child_are_made_ready_where_they_are_logged() -> None:
    """As LiveKit's job processes do: pickled there, handled here."""
    kept: list[bytes] = []

    class ToParent(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            self.format(record)
            kept.append(pickle.dumps(record))

    logging.getLogger().handlers[:] = [ToParent()]
    configure_child(ObservabilitySettings(), service="voice_gateway")
    with log_ids(turn_id="t1"):
        try:
            raise ValueError(CARD)
        except ValueError:
            logging.getLogger("livekit.agents").warning("it broke", exc_info=True, extra={"text": CARD, "job_id": "j"})

    out = io.StringIO()
    configured(out)
    record = pickle.loads(kept[0])
    record.pid = 7  # the parent adds what it knows of the process
    logging.getLogger("livekit.agents").callHandlers(record)

    (line,) = lines(out)
    assert (line["message"], line["service"], line["turn_id"]) == ("it broke", "voice_gateway", "t1")
    assert (line["text"], line["job_id"], line["pid"]) == ("(masked)", "j", 7)
    assert "ValueError (masked)" in str(line["exception"])
    assert "4711" not in out.getvalue()


def test_what_python_tells_by_itself_is_masked() -> None:
    out = io.StringIO()
    configured(out)

    warnings.showwarning("Expected `str`, got 4711", UserWarning, "pydantic/main.py", 1)
    error = RuntimeError("4711")
    sys.excepthook(RuntimeError, error, None)
    threading.excepthook(threading.ExceptHookArgs((RuntimeError, error, None, None)))

    assert [line["message"] for line in lines(out)] == ["python warning", "uncaught exception", "uncaught exception"]
    assert "4711" not in out.getvalue()


def test_an_exporter_that_fails_is_told_once_a_minute() -> None:
    out = io.StringIO()
    configured(out)

    for _ in range(3):
        logging.getLogger("opentelemetry.exporter").error("Failed to export span batch")
        logging.getLogger("opentelemetry.sdk").warning("Queue full, dropping %s.", "Span")

    assert [line["message"] for line in lines(out)] == ["Failed to export span batch", "Queue full, dropping Span."]


def test_levels_below_the_setting_are_dropped() -> None:
    out = io.StringIO()
    log = configured(out, log_level=LogLevel.WARNING)

    log.info("quiet")
    log.warning("loud")

    assert [line["message"] for line in lines(out)] == ["loud"]


@pytest.mark.parametrize(
    ("stream", "given", "json_expected"),
    [
        (Terminal(), LogFormat.AUTO, False),
        (io.StringIO(), LogFormat.AUTO, True),
        (Terminal(), LogFormat.JSON, True),
        (io.StringIO(), LogFormat.TEXT, False),
    ],
)
def test_text_on_a_terminal_and_json_elsewhere(stream: io.StringIO, given: LogFormat, json_expected: bool) -> None:
    log = configured(stream, log_format=given)

    log.info("worker started", extra={"slots": 4})

    assert stream.getvalue().startswith("{") is json_expected
    if not json_expected:
        assert stream.getvalue().endswith("INFO    services.brain.somewhere: worker started worker_id=w1 slots=4\n")


def test_configuring_twice_does_not_double_the_lines() -> None:
    out = io.StringIO()
    configured(io.StringIO())
    log = configured(out)

    log.info("once")

    assert len(lines(out)) == 1
