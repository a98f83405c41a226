"""Word errors between what was said and what was understood."""

from __future__ import annotations

import pytest

from services.voice_gateway.domain.wording import word_error_rate, word_errors


@pytest.mark.parametrize(
    ("said", "recognised", "errors"),
    [
        ("what time is it", "what time is it", 0),
        ("What time is it?", "what time is it", 0),
        ("what time is it", "what is it", 1),
        ("what time is it", "what time is is it", 1),
        ("what time is it", "what dime is it", 1),
        ("one two", "", 2),
        ("", "one two", 2),
    ],
)
def test_word_errors(said: str, recognised: str, errors: int) -> None:
    assert word_errors(said, recognised) == errors


def test_the_rate_is_per_word_said() -> None:
    assert word_error_rate("a b c d", "a b c x") == 0.25
    assert word_error_rate("", "") == 0.0
