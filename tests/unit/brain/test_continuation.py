"""The seam of a failover: whatever a model repeats of the draft is dropped, nothing else is."""

from __future__ import annotations

import random

import pytest

from services.brain.domain.continuation import Continuation

DRAFT = "Breakfast is served from seven to "
REST = "half past ten in the restaurant."
WHOLE = DRAFT + REST


def continued(draft: str, said: str) -> str:
    """The draft and what is emitted behind it, fed word by word as a stream is."""
    seam = Continuation(draft)
    pieces = said.split(" ")
    words = [piece + " " for piece in pieces[:-1]] + pieces[-1:]
    return draft + "".join(seam.feed(word) for word in words) + seam.flush()


@pytest.mark.parametrize(
    ("what", "draft", "said", "whole"),
    [
        ("nothing repeated", DRAFT, REST, WHOLE),
        ("one word repeated", DRAFT, "to " + REST, WHOLE),
        ("three words repeated", DRAFT, "from seven to " + REST, WHOLE),
        ("all words repeated", DRAFT, WHOLE, WHOLE),
        ("all words repeated in another case", DRAFT, WHOLE.lower(), WHOLE),
        ("the draft was the whole reply, repeated", WHOLE, WHOLE, WHOLE),
        ("the draft was the whole reply, nothing said", WHOLE, "", WHOLE),
        ("only the beginning repeated", DRAFT, "Breakfast is served", DRAFT),
        ("no draft", "", WHOLE, WHOLE),
        ("draft of blanks", " ", "Hello there.", " Hello there."),
        ("cut in a word, begun in its middle", "The pool is op", "en from eight.", "The pool is open from eight."),
        ("cut in a word, begun with it", "The pool is op", "open from eight.", "The pool is open from eight."),
        ("cut in a word, three repeated", "The pool is op", "pool is open from eight.", "The pool is open from eight."),
        (
            "cut in a word, all repeated",
            "The pool is op",
            "The pool is open from eight.",
            "The pool is open from eight.",
        ),
        ("cut in a word, a new one after a blank", "The pool is open", " from eight.", "The pool is open from eight."),
        ("cut behind a sentence", "The pool is open.", "So is the spa.", "The pool is open. So is the spa."),
        ("cut before the full stop", "The pool is open", "open. So is the spa.", "The pool is open. So is the spa."),
        ("a word that is twice in the draft", "the bar and the ", "the gym", "the bar and the gym"),
        ("repeated words at the end", "very very ", "very very nice", "very very nice"),
        ("a restart in other words", "It is open ", "The pool is open", "It is open The pool is open"),
        ("a short word that also ends another", "I think this ", "is right", "I think this is right"),
        (
            "begun in the middle of its last word",
            "Ask at the reception ",
            "ption if you",
            "Ask at the reception if you",
        ),
        ("a word that ends the one before", "The bar is there ", "here and now", "The bar is there here and now"),
        (
            "three repeated, begun in the middle of the first",
            "Let me take you through the house. ",
            "rough the house. On the roof",
            "Let me take you through the house. On the roof",
        ),
        ("ends another, and is all", "This is nice ", "is", "This is nice is"),
        ("punctuation differs", "From seven, to ", "from seven to ten.", "From seven, to ten."),
    ],
)
def test_a_continued_reply(what: str, draft: str, said: str, whole: str) -> None:
    assert continued(draft, said) == whole, what


def test_every_cut_and_every_overlap_make_the_same_reply() -> None:
    """Whole words are emitted, so a draft ends behind any of them; a model may repeat any number of its last words."""
    words = [
        "Let",
        "me",
        "take",
        "you",
        "through",
        "our",
        "house",
        "by",
        "the",
        "old",
        "harbour",
        ",",
        "floor",
        "by",
        "floor",
        ".",
    ]
    for cut in range(1, len(words)):
        for back in range(cut + 1):
            draft = " ".join(words[:cut]) + " "
            said = " ".join(words[cut - back :])
            assert continued(draft, said) == " ".join(words), (cut, back)


def test_pieces_may_be_of_any_size() -> None:
    draw = random.Random(7)
    for _ in range(200):
        seam, at, out = Continuation(DRAFT), 0, ""
        while at < len(WHOLE):
            words = WHOLE[at:].split(" ")[: draw.randint(1, 4)]
            piece = WHOLE[at : at + len(" ".join(words)) + 1]
            out += seam.feed(piece)
            at += len(piece)
        assert DRAFT + out + seam.flush() == WHOLE


def test_new_words_are_not_held_back() -> None:
    seam = Continuation("The pool is open ")

    assert seam.feed("every ") == "every "
    assert seam.feed("day ") == "day "
