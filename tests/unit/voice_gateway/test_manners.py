"""Who has the floor, and what the concierge says by itself."""

from __future__ import annotations

import itertools

import pytest

from services.voice_gateway.domain.manners import (
    FILLERS,
    LOST_THREAD,
    NO_ANSWER,
    fallback,
    filler,
    reprompt,
    takes_the_floor,
    understood,
)


@pytest.mark.parametrize(
    ("words", "guest", "concierge", "taken"),
    [
        ("excuse me", True, False, True),
        ("excuse", True, False, False),
        ("", True, False, False),
        ("excuse me", False, False, False),  # words that come after the guest fell silent: the final will tell
        ("excuse me", True, True, False),  # the concierge is not even paused: too short to count
    ],
)
def test_two_words_of_a_guest_who_speaks_take_the_floor(words: str, guest: bool, concierge: bool, taken: bool) -> None:
    assert takes_the_floor(words, min_words=2, guest_speaking=guest, concierge_speaking=concierge) is taken


def test_fillers_do_not_repeat_themselves() -> None:
    said = [filler(turn) for turn in range(7)]
    assert set(said) <= set(FILLERS)
    assert all(one != next_ for one, next_ in itertools.pairwise(said))


def test_the_second_reprompt_differs_and_there_is_always_one() -> None:
    assert reprompt(0) != reprompt(1)
    assert reprompt(50) == reprompt(1)


@pytest.mark.parametrize(("said", "apology"), [("", NO_ANSWER), ("  ", NO_ANSWER), ("The pool", LOST_THREAD)])
def test_the_apology_fits_what_was_said(said: str, apology: str) -> None:
    assert fallback(said) == apology


@pytest.mark.parametrize(("confidence", "clear"), [(0.0, True), (0.29, False), (0.3, True), (0.9, True)])
def test_unknown_confidence_counts_as_understood(confidence: float, clear: bool) -> None:
    assert understood(confidence, 0.3) is clear
