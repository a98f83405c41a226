"""What is a yes, what is a no, and what is neither."""

from __future__ import annotations

import pytest

from services.brain.offline.consent import is_explicit, is_no, is_yes
from services.brain.offline.memory import to_you
from services.brain.offline.words import words_of

YES = (
    "yes please",
    "Yes, please!",
    "yeah sure",
    "okay",
    "that would be great",
    "sounds good to me",
    "perfect, go ahead",
    "sure, book it",
    "yes please book that for me",
    "yes please look that for me",
    "i'll take it",
    "please do",
    "could you book it for me please",
    "absolutely",
    "fine, let's do that",
)
NO = (
    "no thanks",
    "No, thank you.",
    "no",
    "not now thanks",
    "that's too expensive",
    "i don't want it",
    "never mind",
    "nope i'd rather not",
    "please cancel that",
    "we don't need it",
    "it's a bit expensive",
)
NEITHER = ("what time is breakfast", "thank you", "my taxi is at nine", "how much was it again", "hello", "")


@pytest.mark.parametrize("text", YES)
def test_a_yes(text: str) -> None:
    assert is_yes(words_of(text))
    assert not is_no(words_of(text))


@pytest.mark.parametrize("text", NO)
def test_a_no(text: str) -> None:
    assert is_no(words_of(text))
    assert not is_yes(words_of(text))


@pytest.mark.parametrize("text", NEITHER)
def test_neither(text: str) -> None:
    assert not is_yes(words_of(text))
    assert not is_no(words_of(text))


def test_an_explicit_yes_names_what_it_means() -> None:
    assert is_explicit(words_of("please book the late checkout"))
    assert not is_explicit(words_of("yes please"))


@pytest.mark.parametrize(
    ("told", "back"),
    [
        ("My taxi is at nine tomorrow.", "your taxi is at nine tomorrow"),
        ("By the way, I am allergic to nuts.", "you are allergic to nuts"),
        ("please note that my wife is pregnant", "your wife is pregnant"),
        ("Hi, just so you know: we'll be late!", "you'll be late"),
        ("I'm vegan", "you're vegan"),
        ("hello", "hello"),
    ],
)
def test_what_was_told_comes_back_in_the_second_person(told: str, back: str) -> None:
    assert to_you(told) == back
