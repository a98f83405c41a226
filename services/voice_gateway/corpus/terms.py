"""A hotel's own names in sentences that guests say, for the local language model. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_PATTERNS = """
@ 60
(where is|how do i get to|what is|tell me about|is there|i am at|we are at|we are in) (the|) <term>
(when|what time) does (the|) <term> (open|close)
(can|could) (i|we) (book|reserve) (the|a table at|a table at the) <term> (tonight|tomorrow|for two|please|)
(is|are) (the|) <term> (open|free|available|included|far away)
<term> | the <term> | <term> please
"""


def speakable(terms: Iterable[str], known: Callable[[str], bool]) -> list[str]:
    """The terms as words of a dictionary; without those that have a word that it cannot pronounce."""
    spoken = [" ".join(term.lower().replace("-", " ").split()) for term in terms]
    return [term for term in spoken if all(word.strip("'").isalpha() and known(word) for word in term.split())]


def term_patterns(terms: list[str]) -> str:
    """Patterns (see patterns.py) with every term in the places where guests put names. No terms: ''."""
    return f"term = {' | '.join(terms)}\n{_PATTERNS}" if terms else ""
