"""Intents are recognised in words that no rule spells out, and what is not understood is admitted."""

from __future__ import annotations

from datetime import date

import pytest

from services.brain.offline import replies, slots
from services.brain.offline.concierge import next_step
from services.brain.offline.intent_table import INTENTS
from services.brain.offline.intents import matching
from services.brain.offline.transcript import Kind, Line, Say
from services.brain.offline.words import words_of
from services.brain.tools import TOOLS
from tests.unit.brain.phrases import NOBODY_KNOWS, PHRASES

TODAY = date(2026, 11, 22)


def best_intent(text: str) -> str:
    words = words_of(text)
    found = {
        "time": slots.find_time(words) is not None,
        "hours": slots.find_hours_more(words) is not None,
        "date": slots.find_date(words, TODAY) is not None,
        "nights": slots.find_nights(words) is not None,
        "code": bool(slots.find_code(text)),
    }
    hits = matching(INTENTS, words, found)
    return hits[0].intent.name if hits else ""


@pytest.mark.parametrize(("intent", "text"), [(intent, text) for intent, texts in PHRASES.items() for text in texts])
def test_a_paraphrase_is_understood(intent: str, text: str) -> None:
    assert best_intent(text) == intent


@pytest.mark.parametrize("text", NOBODY_KNOWS)
def test_what_is_not_understood_is_admitted(text: str) -> None:
    step = next_step([Line(Kind.GUEST, text)], frozenset(tool.name for tool in TOOLS))

    assert step == Say(replies.UNKNOWN)


def test_every_intent_has_ten_paraphrases() -> None:
    assert {intent.name: len(set(PHRASES.get(intent.name, ()))) >= 10 for intent in INTENTS} == {
        intent.name: True for intent in INTENTS
    }


def test_no_paraphrase_is_the_text_of_a_rule() -> None:
    """A pattern of single words would make the table a copy of the rules."""
    rules = {" ".join(term.split("|")[0] for term in pattern.split()) for i in INTENTS for pattern in i.patterns}
    long = {text for texts in PHRASES.values() for text in texts if len(text.split()) > 2}

    assert not {text.lower() for text in long} & rules


def test_speech_and_writing_are_read_alike() -> None:
    for texts in PHRASES.values():
        for text in texts:
            heard = " ".join(words_of(text))
            assert best_intent(heard) == best_intent(text), text
