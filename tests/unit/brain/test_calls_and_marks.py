"""Keys of side effects, and how guest lines are marked."""

from __future__ import annotations

import pytest

from services.brain.domain.calls import canonical, event_id, idempotency_key, offer_id
from services.brain.domain.marks import CUT_OFF, UNHEARD, Line, mark, unmark
from services.brain.tools import clock_time


def test_arguments_are_written_one_way() -> None:
    assert canonical({"b": 1, "a": "é", "c": None}) == canonical({"a": "é", "b": 1}) == '{"a":"é","b":1}'


def test_a_key_is_the_same_for_every_run_and_differs_by_what_is_done() -> None:
    key = idempotency_key("conv", "turn", "accept_offer", "{}")
    others = {
        idempotency_key("conv2", "turn", "accept_offer", "{}"),
        idempotency_key("conv", "turn2", "accept_offer", "{}"),
        idempotency_key("conv", "turn", "offer_late_checkout", "{}"),
        idempotency_key("conv", "turn", "accept_offer", '{"a":1}'),
        idempotency_key("con", "vturn", "accept_offer", "{}"),
    }

    assert key == idempotency_key("conv", "turn", "accept_offer", "{}")
    assert key not in others
    assert len(others) == 5
    assert offer_id(key) == offer_id(key) != offer_id(key + "x")


def test_a_journal_event_of_another_run_is_another_event() -> None:
    first = event_id("conv", "turn", 1, "call", "requested")

    assert first == event_id("conv", "turn", 1, "call", "requested")
    assert first != event_id("conv", "turn", 2, "call", "requested")
    assert first != event_id("conv", "turn", 1, "call", "completed")


@pytest.mark.parametrize("by_text", [True, False])
@pytest.mark.parametrize(
    ("notes", "after_cut"),
    [
        ([], False),
        ([CUT_OFF], True),
        ([UNHEARD], True),
        (["ending the call was not possible (no [line]; none)"], False),
        ([CUT_OFF, "pausing the call was not possible"], True),
    ],
)
def test_marks_come_off_as_they_went_on(by_text: bool, notes: list[str], after_cut: bool) -> None:
    marked = mark("my [text message] to you", by_text=by_text, notes=notes)

    assert unmark(marked) == Line("my [text message] to you", by_text, after_cut)


def test_a_line_without_marks_is_a_text() -> None:
    assert unmark("hello") == Line("hello", by_text=True)


@pytest.mark.parametrize(
    ("said", "time"),
    [("2 pm", "14:00"), ("14:00", "14:00"), ("12 am", "00:00"), ("12pm", "12:00"), ("9.30", "09:30"), ("14", "14:00")],
)
def test_one_time_has_one_form(said: str, time: str) -> None:
    assert clock_time(said) == time


def test_what_is_no_time_is_left_to_the_schema() -> None:
    assert clock_time("late") == "late"
