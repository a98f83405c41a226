"""How much of an answer was heard, told from what a recogniser made of it."""

import pytest

from deploy.demo.hearing import words_heard

TEXT = "let me take you through the house the pool is on the roof and is open from seven until ten in the evening"
ANSWER = TEXT.split()


@pytest.mark.parametrize(
    ("recognised", "heard"),
    [
        ("", 0),
        ("let me take you", 4),
        ("let me take shoe through the house", 7),
        ("let knee cake you through", 5),
        # Cut in the middle of a word: what is left of it sounds like a word that comes much later.
        ("let me take you ten", 4),
        ("let me take you through the house the pool is on the roof in", 13),
        (TEXT, len(ANSWER)),
    ],
)
def test_only_what_was_heard_counts(recognised: str, heard: int) -> None:
    assert words_heard(ANSWER, recognised.split()) == heard
