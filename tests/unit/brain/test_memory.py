"""What a guest told, said back to them."""

from __future__ import annotations

import pytest

from services.brain.offline.memory import MAX_QUOTE_CHARS, to_you


@pytest.mark.parametrize(
    ("told", "back"),
    [
        ("my taxi is at nine", "your taxi is at nine"),
        ("By the way, I am allergic to nuts.", "you are allergic to nuts"),
        ("Is there parking? I am allergic to nuts", "you are allergic to nuts"),
        ("just so you know i have a meeting at 10.30", "you have a meeting at 10.30"),
        ("I'm vegan. My wife is not!", "you're vegan. your wife is not"),
        ("When is breakfast?", "When is breakfast?"),
    ],
)
def test_a_statement_is_said_back_without_what_was_asked_beside_it(told: str, back: str) -> None:
    assert to_you(told) == back


def test_a_long_story_is_cut_between_words() -> None:
    back = to_you("my suitcase is still at the airport and " * 20)
    assert len(back) <= MAX_QUOTE_CHARS + len(" and so on")
    assert back.endswith("and so on")
