"""Amounts, times and dates in words, whole words only, no markdown for the ear."""

from __future__ import annotations

from datetime import date, time

import pytest

from services.brain.domain.money import Money
from services.brain.domain.speech import (
    Words,
    number_words,
    ordinal_words,
    spoken_date,
    spoken_digits,
    spoken_money,
    spoken_time,
    written_money,
    written_time,
)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (35, "thirty-five"),
        (100, "one hundred"),
        (119, "one hundred and nineteen"),
        (1250, "one thousand two hundred and fifty"),
    ],
)
def test_numbers(number: int, words: str) -> None:
    assert number_words(number) == words


@pytest.mark.parametrize(
    ("number", "words"), [(1, "first"), (5, "fifth"), (12, "twelfth"), (20, "twentieth"), (22, "twenty-second")]
)
def test_ordinals(number: int, words: str) -> None:
    assert ordinal_words(number) == words


@pytest.mark.parametrize(
    ("minor", "currency", "spoken", "written"),
    [
        (3500, "EUR", "thirty-five euros", "€35"),
        (100, "EUR", "one euro", "€1"),
        (1750, "GBP", "seventeen pounds fifty", "£17.50"),
        (1205, "CHF", "twelve CHF five", "CHF 12.05"),
    ],
)
def test_money(minor: int, currency: str, spoken: str, written: str) -> None:
    assert (spoken_money(Money(minor, currency)), written_money(Money(minor, currency))) == (spoken, written)


def test_money_of_two_currencies_does_not_add_up() -> None:
    with pytest.raises(ValueError, match="EUR and USD"):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize(
    ("moment", "spoken", "written"),
    [
        (time(14), "two pm", "2 pm"),
        (time(13, 30), "one thirty pm", "1:30 pm"),
        (time(12), "noon", "12 pm"),
        (time(0), "midnight", "12 am"),
        (time(9, 5), "nine oh five am", "9:05 am"),
    ],
)
def test_times(moment: time, spoken: str, written: str) -> None:
    assert (spoken_time(moment), written_time(moment)) == (spoken, written)


def test_dates_and_rooms() -> None:
    assert spoken_date(date(2026, 11, 23)) == "Monday the twenty-third of November"
    assert spoken_digits("204") == "two oh four"


def spoken(*pieces: str) -> str:
    words = Words(spoken=True)
    return "".join(words.feed(piece) for piece in pieces) + words.flush()


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        ("The **heated pool** is on the roof.", "The heated pool is on the roof."),
        ("# Breakfast\n\n- seven to ten\n- in the *Lighthouse*", "Breakfast seven to ten in the Lighthouse"),
        ("See [our menu](https://example.com/menu) first.", "See our menu first."),
        ("Type `sail away` twice.", "Type sail away twice."),
        ("It is _very_ warm, ~~cold~~.", "It is very warm, cold."),
        ("More at https://www.example.com today.", "More at example.com today."),
        ("> quoted\n\n---\n\nrest", "quoted rest"),
        ("snake_case stays", "snake_case stays"),
    ],
)
def test_markdown_is_not_spoken(markdown: str, said: str) -> None:
    assert spoken(markdown) == said
    assert spoken(*markdown) == said, "letter by letter"


def test_written_text_keeps_its_form() -> None:
    words = Words(spoken=False)
    text = "# Menu\n- *fish*\n"

    assert words.feed(text) + words.flush() == text


def test_only_whole_words_are_let_out() -> None:
    words = Words(spoken=True)

    assert [words.feed(piece) for piece in ("The po", "ol", " is", " open", ".")] == ["The ", "", "pool ", "is ", ""]
    assert words.flush() == "open."
