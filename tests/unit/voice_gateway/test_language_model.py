"""Patterns, the n-gram model made of them, and the hotel's corpus itself."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from services.voice_gateway.corpus.lexicon import ADDITIONS, dictionary
from services.voice_gateway.corpus.ngram import NgramModel
from services.voice_gateway.corpus.patterns import PatternError, sentences

ROOT = Path(__file__).parents[3]
CORPUS = (ROOT / "services/voice_gateway/corpus/hotel.txt").read_text(encoding="utf-8")


def test_choices_slots_and_alternatives_expand() -> None:
    found = list(sentences("day = today | tomorrow\n@ 10\n(is|was) it <day>\nyes | no (thanks|)"))
    assert sorted(found[:4]) == ["is it today", "is it tomorrow", "was it today", "was it tomorrow"]
    assert found[4:] == ["yes", "no thanks", "no"]


def test_a_limit_spreads_over_all_choices() -> None:
    letters = "|".join("abcdefghij")
    found = list(sentences(f"@ 30\n({letters}) ({letters}) ({letters})"))
    assert len(found) == 30
    for place in range(3):
        assert {line.split()[place] for line in found} == set("abcdefghij")


@pytest.mark.parametrize(("source", "line"), [("\n(a|b", 2), ("a)", 1), ("say <nothing>", 1), ("@ many", 1)])
def test_a_broken_pattern_names_its_line(source: str, line: int) -> None:
    with pytest.raises(PatternError, match=f"line {line}"):
        list(sentences(source))


def test_probabilities_after_a_history_sum_to_one() -> None:
    model = NgramModel(["a b c", "a b d", "b a", "c"])
    words = [*model.vocabulary, "</s>"]
    for history in ((), ("a",), ("<s>",), ("a", "b"), ("<s>", "a"), ("d", "c")):
        assert math.isclose(sum(model.probability((*history, word)) for word in words), 1.0, rel_tol=1e-9)


def test_backing_off_gives_the_probability_of_what_was_not_seen() -> None:
    model = NgramModel(["a b c", "a b d", "b a", "c"])
    unseen = ("a", "b", "a")
    assert math.isclose(model.probability(unseen), model.backoff(("a", "b")) * model.probability(("b", "a")))


def test_the_arpa_text_counts_what_it_lists_and_is_the_same_every_time() -> None:
    text = NgramModel(["a b", "b a"]).arpa()
    assert text == NgramModel(["a b", "b a"]).arpa()
    sections = text.split("\n\n")
    for size, section in enumerate(sections[1:4], start=1):
        listed = section.splitlines()
        assert listed[0] == f"\\{size}-grams:"
        assert f"ngram {size}={len(listed) - 1}" in text


def test_the_dictionary_keeps_what_can_be_said_and_adds_what_is_missing() -> None:
    base = ["hotel HH OW T EH L", "hotel(2) HH OW T EH L", "zebra Z IY B R AH"]
    text = dictionary(base, frozenset(["hotel", "halal"]))
    assert text.splitlines() == [*base[:2], "halal HH AH L AA L", "halal(2) HH AE L AE L"]
    with pytest.raises(KeyError):
        dictionary(base, frozenset(["qwertz"]))


def test_the_corpus_is_broad() -> None:
    found = list(sentences(CORPUS))
    assert len(found) > 2_000
    assert len(NgramModel(found).vocabulary) > 600
    assert all(line == " ".join(line.split()) for line in found)
    assert not {word for line in found for word in line.split()} & {"|", "(", ")", "<", ">"}
    assert set(ADDITIONS) & NgramModel(found).vocabulary


def test_no_line_that_recognition_is_measured_with_is_in_the_corpus() -> None:
    held_out = (ROOT / "benchmarks/speech/heldout.txt").read_text(encoding="utf-8").splitlines()
    assert len(held_out) >= 20
    assert not set(held_out) & set(sentences(CORPUS))
