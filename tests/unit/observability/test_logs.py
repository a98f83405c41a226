import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from libs.observability.logs import MAX_FIELD_CHARS, bound_ids, configure, log_ids
from libs.observability.settings import LogFormat, LogLevel, ObservabilitySettings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def configured(stream: io.StringIO, **given: LogFormat | LogLevel) -> logging.Logger:
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

    log.warning("dead letter", extra={"level": "forged", "reason": 'two\nlines "quoted"', "body": "x" * 10_000})

    (line,) = lines(out)
    assert line["level"] == "WARNING"
    assert line["reason"] == 'two\nlines "quoted"'
    assert len(str(line["body"])) == MAX_FIELD_CHARS + 3


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.TEXT])
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
def test_a_guest_s_words_that_a_library_adds_to_a_line_are_not_logged_from_info_on(level: int, form: LogFormat) -> None:
    out = io.StringIO()
    configured(out, log_format=form, log_level=LogLevel.DEBUG)

    given = {"lk.pii.user_input": "my card number is 4711", "speech_id": "s-1"}
    logging.getLogger("livekit.agents").log(level, "skipping user input, speech scheduling is paused", extra=given)

    assert ("4711" in out.getvalue()) is (level < logging.INFO)
    assert "skipping user input" in out.getvalue()
    assert "s-1" in out.getvalue(), "other fields stay"


def test_an_exception_is_a_field() -> None:
    out = io.StringIO()
    log = configured(out)

    try:
        raise KeyError("gone")
    except KeyError:
        log.exception("claim failed")

    (line,) = lines(out)
    assert "KeyError: 'gone'" in str(line["exception"])


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
