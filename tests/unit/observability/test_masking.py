"""What a line may say: each way in which a library could put a guest's words into one."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
from pydantic import BaseModel, ValidationError

from libs.contracts.errors import InvalidRequest
from libs.observability.logs import JsonFormatter, Ready
from libs.observability.masking import Masking

WORD = "zanzibar"
FOREIGN, OURS = "somelib.client", "services.brain.answer"


def wrapped(error: Exception) -> Exception:
    try:
        raise error
    except Exception as cause:
        try:
            raise RuntimeError(f"while handling {WORD}") from cause
        except RuntimeError as outer:
            return outer


def invalid() -> ValidationError:
    class Model(BaseModel):
        age: int

    with pytest.raises(ValidationError, match=WORD) as caught:
        Model.model_validate({"age": WORD})
    return caught.value


def grouped() -> BaseExceptionGroup[Exception]:
    return ExceptionGroup(WORD, [ValueError(WORD), wrapped(KeyError(WORD))])


class Lines:
    """A logger whose lines are kept."""

    def __init__(self, name: str, *, shown: bool) -> None:
        self.out = io.StringIO()
        self.handler = logging.StreamHandler(self.out)
        self.handler.setFormatter(JsonFormatter())
        self.handler.addFilter(Ready("test", "", Masking(show=shown)))
        self.log = logging.getLogger(name)
        self.log.addHandler(self.handler)
        self.log.setLevel(logging.DEBUG)
        self.log.propagate = False

    def only(self) -> dict[str, object]:
        (line,) = self.out.getvalue().splitlines()
        told: dict[str, object] = json.loads(line)
        return told


@pytest.fixture
def make_lines() -> Iterator[Callable[..., Lines]]:
    made: list[Lines] = []

    def make(name: str, *, shown: bool = False) -> Lines:
        made.append(Lines(name, shown=shown))
        return made[-1]

    yield make
    for one in made:
        one.log.removeHandler(one.handler)
        one.log.propagate = True
        one.log.setLevel(logging.NOTSET)


LEAKS: dict[str, Callable[[logging.Logger], None]] = {
    "in an f-string": lambda log: log.info(f"received {WORD}"),
    "as an argument": lambda log: log.info("received %s", WORD),
    "as a named argument": lambda log: log.info("received %(what)s", {"what": WORD}),
    "as the message": lambda log: log.info(WORD + ""),
    "joined": lambda log: log.error("\n".join(["never retrieved", f"exception={WORD}"])),
    "as a message that is no text": lambda log: log.info({"text": WORD}),
    "in a field that is known to bear words": lambda log: log.info("received", extra={"transcript": WORD}),
    "in any field": lambda log: log.info("received", extra={"whatever": WORD}),
    "in a structure": lambda log: log.info("received", extra={"data": {"id": WORD}}),
    "in an error as a field": lambda log: log.info("failed", extra={"error": ValueError(WORD)}),
    "in an error as an argument": lambda log: log.info("failed: %s", ValueError(WORD)),
    "in a traceback": lambda log: log.error("failed", exc_info=wrapped(ValueError(WORD))),
    "in a validation error": lambda log: log.error("failed", exc_info=invalid()),
    "in a group": lambda log: log.error("failed", exc_info=grouped()),
    "where a number was wanted": lambda log: log.info("took %d ms", WORD),
    "at debug": lambda log: log.debug("Request options: %s", {"messages": [{"content": WORD}]}),
}


@pytest.mark.parametrize("way", LEAKS)
def test_a_library_s_line_bears_no_words(make_lines: Callable[..., Lines], way: str) -> None:
    lines = make_lines(FOREIGN)
    LEAKS[way](lines.log)
    assert WORD not in lines.out.getvalue()
    assert lines.only()["logger"] == FOREIGN


@pytest.mark.parametrize("way", sorted(set(LEAKS) - {"where a number was wanted"}))
def test_with_words_shown_it_bears_them(make_lines: Callable[..., Lines], way: str) -> None:
    lines = make_lines(FOREIGN, shown=True)
    LEAKS[way](lines.log)
    assert WORD in lines.out.getvalue()


def test_what_nobody_said_stays(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines(FOREIGN)
    lines.log.warning("attempt %d of %d took %.1f s", 2, 3, 0.5, extra={"speech_id": "s-1", "ms": 7, "model": "m"})
    told = lines.only()
    assert told["message"] == "attempt 2 of 3 took 0.5 s"
    assert (told["speech_id"], told["ms"], told["model"]) == ("s-1", 7, "m")


def test_of_livekit_s_native_library_the_place_stays(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines("livekit")
    lines.log.warning("%s:%s:%s - %s", "libwebrtc", 279, "livekit::rtc_engine", f"cannot send {WORD}")
    assert lines.only()["message"] == "libwebrtc:279:livekit::rtc_engine - (masked)"


def test_a_masked_message_says_where_it_comes_from(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines(FOREIGN)
    lines.log.info(f"received {WORD}")
    assert str(lines.only()["logged_at"]).startswith("test_masking.py:")


def test_our_own_fields_stay_but_for_words(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines(OURS)
    lines.log.info("turn left to others", extra={"reason": "bus-unavailable", "text": WORD})
    told = lines.only()
    assert (told["message"], told["reason"], told["text"]) == ("turn left to others", "bus-unavailable", "(masked)")


def test_an_exception_keeps_type_place_code_and_cause(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines(OURS)
    lines.log.error("failed", exc_info=wrapped(InvalidRequest(WORD)))
    told = str(lines.only()["exception"])
    assert told.index("InvalidRequest: invalid-request") < told.index("RuntimeError")
    assert "in wrapped" in told


def test_an_operating_system_s_error_keeps_its_number(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines(FOREIGN)
    lines.log.error("failed", exc_info=ConnectionRefusedError(errno.ECONNREFUSED, WORD))
    assert f"ConnectionRefusedError: errno {errno.ECONNREFUSED}" in str(lines.only()["exception"])
    assert WORD not in lines.out.getvalue()


async def test_a_task_that_nobody_waited_for_is_told_without_words(make_lines: Callable[..., Lines]) -> None:
    lines = make_lines("asyncio")

    async def fails() -> None:
        raise ValueError(WORD)

    task = asyncio.ensure_future(fails())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"it was {WORD}", "future": task, "exception": task.exception()}
    )
    told = lines.only()
    assert "ValueError (masked)" in str(told["exception"])
    assert WORD not in lines.out.getvalue()
