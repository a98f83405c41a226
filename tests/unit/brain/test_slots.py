"""Times, dates, numbers and codes, written and as a recogniser hears them."""

from __future__ import annotations

from datetime import date, time

import pytest

from services.brain.offline import slots
from services.brain.offline.words import matches, one_slip, words_of

SUNDAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("until two please", time(14)),
        ("at 2 pm", time(14)),
        ("at 2pm", time(14)),
        ("until 14:30", time(14, 30)),
        ("half past one", time(13, 30)),
        ("quarter past twelve", time(12, 15)),
        ("quarter to three", time(14, 45)),
        ("one thirty", time(13, 30)),
        ("at one forty five", time(13, 45)),
        ("at noon", time(12)),
        ("around three o'clock", time(15)),
        ("at seven in the morning", time(7)),
        ("at nine", time(9)),
        ("till eleven thirty a.m.", time(11, 30)),
        ("two nights", None),
        ("for two people", None),
        ("that one please", None),
        ("an hour later", None),
        ("nothing at all", None),
    ],
)
def test_times(text: str, found: time | None) -> None:
    assert slots.find_time(words_of(text)) == found


def test_a_number_alone_is_a_time_only_when_one_was_asked_for() -> None:
    assert slots.find_time(words_of("two")) is None
    assert slots.find_time(words_of("two"), bare=True) == time(14)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tomorrow night", date(2026, 11, 23)),
        ("the day after tomorrow", date(2026, 11, 24)),
        ("tonight", SUNDAY),
        ("next friday", date(2026, 11, 27)),
        ("on sunday", date(2026, 11, 29)),
        ("for the weekend", date(2026, 11, 27)),
        ("on the fifth of december", date(2026, 12, 5)),
        ("december twenty third", date(2026, 12, 23)),
        ("the 3rd of march", date(2027, 3, 3)),
        ("2026-12-24", date(2026, 12, 24)),
        ("2026-13-24", None),
        ("on the thirty first of february", None),
        ("some day", None),
    ],
)
def test_dates(text: str, found: date | None) -> None:
    assert slots.find_date(words_of(text), SUNDAY) == found


@pytest.mark.parametrize(
    ("text", "nights", "guests", "hours"),
    [
        ("three nights for two people", 3, 2, None),
        ("a week for the four of us", 7, 4, None),
        ("one night", 1, None, None),
        ("the weekend with a couple", 2, 2, None),
        ("two hours later", None, None, 2),
        ("one more hour", None, None, 1),
        ("in an hour", None, None, None),
    ],
)
def test_numbers(text: str, nights: int | None, guests: int | None, hours: int | None) -> None:
    words = words_of(text)

    assert (slots.find_nights(words), slots.find_guests(words), slots.find_hours_more(words)) == (nights, guests, hours)


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("My code is HB2041 and my name is Keller", "HB2041", "Keller"),
        ("hb 2041 under keller", "HB2041", "Keller"),
        ("h b two zero four one name is anna keller", "HB2041", "Keller"),
        ("this is keller", "", "Keller"),
        ("what time is it", "", ""),
    ],
)
def test_codes_and_names(text: str, code: str, name: str) -> None:
    assert (slots.find_code(text), slots.find_last_name(text)) == (code, name)


@pytest.mark.parametrize(
    ("heard", "wanted", "same"),
    [
        ("towels", "towel", True),
        ("brekfast", "breakfast", True),
        ("breakfsat", "breakfast", True),
        ("bar", "car", False),
        ("pools", "pool", True),
        ("parking", "barking", False),
        ("facilities", "facilit*", True),
        ("is", "i", False),
    ],
)
def test_words_match_with_a_slip(heard: str, wanted: str, same: bool) -> None:
    assert matches(heard, wanted) is same


def test_one_slip_is_one() -> None:
    assert one_slip("massage", "mesage") is False
    assert one_slip("massage", "massage")
    assert one_slip("massage", "masage")


def test_compounds_are_joined_however_they_are_heard() -> None:
    assert words_of("What's the WI-FI at check out?") == ("whats", "the", "wifi", "at", "checkout")
    assert words_of("why fi") == words_of("wi fi") == ("wifi",)
