"""How intents are matched: by the words that tell what a guest wants. The intents themselves are in `intent_table`.

A pattern is a row of terms that must all occur, in any order. A term is a word or alternatives (`late|later`); a word
may be a `prefix*`, neighbours (`have_to`) or a slot (`@time`, `@hours`, `@date`, `@nights`, `@code`). `!` marks a term
that says more than others, `-` one that must not occur. The heaviest matching pattern wins, within the rank of its
intent; topics may be asked for together.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from services.brain.offline.words import matches


class Rank(enum.IntEnum):
    """Requests go before facts, facts before courtesies: `hello, what time is breakfast` is a question."""

    COURTESY = 0
    FACT = 1
    REQUEST = 2


HEAVY = 3
"""Weight of a term marked `!`; others weigh one."""


@dataclass(frozen=True, slots=True)
class Term:
    options: tuple[str, ...]
    weight: int
    """0: must not occur."""

    @classmethod
    def parse(cls, text: str) -> Term:
        weight = {"!": HEAVY, "-": 0}.get(text[0], 1)
        return cls(tuple(text.lstrip("!-").split("|")), weight)

    def find(self, words: Sequence[str], used: frozenset[int]) -> frozenset[int]:
        """The first unused words that meet the term; none if it is not met."""
        for option in self.options:
            row = option.split("_")
            for at in range(len(words) - len(row) + 1):
                span = frozenset(range(at, at + len(row)))
                if not span & used and all(matches(words[at + n], part) for n, part in enumerate(row)):
                    return span
        return frozenset()


@dataclass(frozen=True)
class Intent:
    name: str
    patterns: tuple[str, ...]
    rank: Rank = Rank.FACT
    topic: str = ""
    """Topic of property_info for an intent that is a question about the hotel."""

    @cached_property
    def rows(self) -> tuple[tuple[Term, ...], ...]:
        return tuple(tuple(Term.parse(term) for term in pattern.split()) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Hit:
    intent: Intent
    words: frozenset[int]
    """Which of the guest's words the pattern took."""
    score: int
    """Weight of the pattern."""


def matching(intents: Sequence[Intent], words: Sequence[str], slots: Mapping[str, bool]) -> list[Hit]:
    """Every intent that matches, best first. `slots` says which of time, date, nights, hours and code were found."""
    hits = [hit for intent in intents if (hit := _best(intent, words, slots))]
    return sorted(hits, key=lambda hit: (hit.intent.rank, hit.score), reverse=True)


def fits(patterns: Sequence[str], words: Sequence[str]) -> bool:
    """Whether any of the patterns matches."""
    return _best(Intent("", tuple(patterns)), words, {}) is not None


def _best(intent: Intent, words: Sequence[str], slots: Mapping[str, bool]) -> Hit | None:
    best: Hit | None = None
    for row in intent.rows:
        taken = _taken(row, words, slots)
        weight = sum(term.weight for term in row)
        if taken is not None and (best is None or weight > best.score):
            best = Hit(intent, taken, weight)
    return best


def _taken(row: Sequence[Term], words: Sequence[str], slots: Mapping[str, bool]) -> frozenset[int] | None:
    """The words that meet the terms, different ones for each; None if a term is not met."""
    used: frozenset[int] = frozenset()
    for term in row:
        if term.weight and any(option[:1] == "@" and slots.get(option[1:]) for option in term.options):
            continue
        found = term.find(words, used if term.weight else frozenset())
        if bool(found) != bool(term.weight):
            return None
        used |= found
    return used
