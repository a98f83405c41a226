"""Lost, doubled, different and strange answers are told from those that are as they should be."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.scale.book import Asked, Count, count, per_second, troubles

GOOD = Count(asked=2, answered=2, streamed=1, repeated=1, lost=0, troubled=0, doubled=0, different=0, strange=0)


def asked(number: int, **changed: Any) -> Asked:
    one = {"answered": 2.0, "conversation": "c", "turn": f"t{number}", "text": "At seven."}
    return Asked(f"guest.{number}", 1.0, **{**one, **changed})


def message(turn: str) -> dict[str, Any]:
    return {"type": "message.received", "turn_id": turn}


def reply(turn: str, text: str = "At seven.") -> dict[str, Any]:
    return {"type": "reply.generated", "turn_id": turn, "text": text}


def log(*events: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {"c": [message("t1"), reply("t1"), message("t2"), reply("t2"), *events]}


BOOK = [asked(1, streamed=True), asked(2, repeated=1)]


def test_every_question_answered_once_is_clean() -> None:
    found = count(BOOK, log())

    assert found == GOOD
    assert found.clean


@pytest.mark.parametrize(
    ("book", "events", "wrong"),
    [
        ([*BOOK, Asked("guest.3", 1.0)], log(), {"lost": 1}),
        ([*BOOK, asked(3)], log(), {"lost": 1}),
        ([*BOOK, asked(3, answered=0.0, trouble="503 overloaded")], log(message("t3")), {"lost": 1, "troubled": 1}),
        ([*BOOK, asked(3, trouble="a hole: 3 bytes, then 9")], log(message("t3"), reply("t3")), {"troubled": 1}),
        (BOOK, log(reply("t2")), {"doubled": 1}),
        (BOOK, log(message("t1")), {"doubled": 1}),
        ([*BOOK, asked(2)], log(), {"doubled": 1}),
        ([asked(1, text="At eight."), asked(2)], log(), {"different": 1}),
        (BOOK, log(message("t9"), reply("t9")), {"strange": 1}),
    ],
)
def test_what_is_wrong_is_counted_and_is_not_clean(
    book: list[Asked], events: dict[str, list[dict[str, Any]]], wrong: dict[str, int]
) -> None:
    found = count(book, events)

    bad = ("lost", "troubled", "doubled", "different", "strange")
    assert {name: getattr(found, name) for name in bad if getattr(found, name)} == wrong
    assert not found.clean


def test_troubles_are_told_with_their_number() -> None:
    assert troubles([asked(1), asked(2, trouble="x"), asked(3, trouble="x")]) == {"x": 2}


def test_rates_are_per_second_in_the_middle_of_each_step() -> None:
    assert per_second([10.0, 10.5, 11.9, 12.1, 16.0, 9.9], 10.0, 16.0, 2.0) == [(1.0, 1.5), (3.0, 0.5), (5.0, 0.0)]
