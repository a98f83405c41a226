"""Names for recognisers: what is taken, what is refused, and how they are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.voice_gateway.corpus.patterns import sentences
from services.voice_gateway.corpus.terms import speakable, term_patterns
from services.voice_gateway.domain.keyterms import MAX_TERM_CHARS, MAX_TERMS, as_prompt, checked
from services.voice_gateway.settings import SpeechSettings


def test_terms_are_trimmed_and_kept_once_in_order() -> None:
    assert checked([" Harbour  View ", "Tide Bar", "Harbour View"]) == ("Harbour View", "Tide Bar")


@pytest.mark.parametrize(
    "terms",
    [[""], ["x" * (MAX_TERM_CHARS + 1)], ["a\x00b"], [7], [f"room {number}" for number in range(MAX_TERMS + 1)]],
    ids=["empty", "long", "unprintable", "no text", "many"],
)
def test_what_no_recogniser_could_use_is_refused(terms: list[object]) -> None:
    with pytest.raises(ValueError, match="key term"):
        checked(terms)


def test_a_prompt_names_the_terms_and_no_terms_are_no_prompt() -> None:
    assert as_prompt(("Harbour View", "Tide Bar")).endswith("Harbour View, Tide Bar.")
    assert as_prompt(()) == ""


def test_terms_by_property_come_from_json_or_a_file(tmp_path: Path) -> None:
    text = json.dumps({"harbour": ["Harbour View"], "*": ["Concierge"]})
    expected = {"harbour": ("Harbour View",), "*": ("Concierge",)}
    assert SpeechSettings(keyterms=text).keyterms_of() == expected
    file = tmp_path / "terms.json"
    file.write_text(text, encoding="utf-8")
    assert SpeechSettings(keyterms=str(file)).keyterms_of() == expected
    assert SpeechSettings(keyterms="").keyterms_of() == {}


@pytest.mark.parametrize("text", ['{"harbour": "Harbour View"}', "{", '{"harbour": [7]}'])
def test_terms_that_do_not_parse_are_told(text: str) -> None:
    with pytest.raises(ValueError):
        SpeechSettings(keyterms=text).keyterms_of()


def test_names_that_the_dictionary_cannot_say_are_left_out_of_the_language_model() -> None:
    known = {"tide", "bar", "harbour", "view"}.__contains__
    assert speakable(["Tide Bar", "Zzyzx Lounge", "Harbour-View", "Room 101"], known) == ["tide bar", "harbour view"]
    said = list(sentences(term_patterns(["tide bar", "harbour view"])))
    assert "tide bar" in said
    assert "where is the harbour view" in said
    assert term_patterns([]) == ""
