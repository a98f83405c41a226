"""Sentence ends in text that arrives in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.voice_gateway.domain.sentences import ends_sentence, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences", "rest"),
    [
        ("Yes. It is", ["Yes. "], "It is"),
        ("Yes.", [], "Yes."),
        ("It opens at 7.30 today. Then", ["It opens at 7.30 today. "], "Then"),
        ("Ask Mr. Smith or Dr. Jones! He knows", ["Ask Mr. Smith or Dr. Jones! "], "He knows"),
        ("From 7 a.m. to 9 p.m. daily? Yes", ["From 7 a.m. to 9 p.m. daily? "], "Yes"),
        ('He said "no." So', ['He said "no." '], "So"),
        ("", [], ""),
    ],
)
def test_whole_sentences_come_first(text: str, sentences: list[str], rest: str) -> None:
    assert split_sentences(text) == (sentences, rest)


@given(st.text(alphabet="aA1 .!?\"'\n", max_size=60))
def test_nothing_is_lost_at_the_seams(text: str) -> None:
    sentences, rest = split_sentences(text)
    assert "".join(sentences) + rest == text
    assert "".join(split_sentences(text, final=True)[0]) == text


@pytest.mark.parametrize("text", ["Yes.", "Is it? ", 'He said "no."', "It is open. Until ten!", "At 10. "])
def test_a_sentence_may_end_here(text: str) -> None:
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["", "Yes", "Ask Mr.", "at 7 p.m.", "It opens at 7.", "Room B."])
def test_a_sentence_may_go_on(text: str) -> None:
    assert not ends_sentence(text)
