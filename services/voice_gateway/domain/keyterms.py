"""Names that a recogniser should know: the hotel's, its restaurants', its rooms'. Pure."""

from __future__ import annotations

from collections.abc import Iterable

MAX_TERMS = 50
"""Deepgram takes 500 tokens of key terms; more than some dozens make recognition worse."""
MAX_TERM_CHARS = 60
_LEAD = "A guest speaks to a hotel's concierge. Names they may use: "


def checked(terms: Iterable[object]) -> tuple[str, ...]:
    """The terms, blanks trimmed, each once. Raises ValueError for too many, too long, empty or unprintable ones."""
    found: dict[str, None] = {}
    for term in terms:
        if not isinstance(term, str):
            raise ValueError(f"a key term is text, not {type(term).__name__}")
        words = " ".join(term.split())
        if not words or not words.isprintable() or len(words) > MAX_TERM_CHARS:
            raise ValueError(f"a key term has 1 to {MAX_TERM_CHARS} printable characters: {words[:MAX_TERM_CHARS]!r}")
        found[words] = None
    if len(found) > MAX_TERMS:
        raise ValueError(f"{len(found)} key terms, {MAX_TERMS} at most")
    return tuple(found)


def as_prompt(terms: tuple[str, ...]) -> str:
    """For recognisers that take a description of what they will hear instead of terms. No terms: ''."""
    return f"{_LEAD}{', '.join(terms)}." if terms else ""
