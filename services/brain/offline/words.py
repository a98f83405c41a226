"""From what a recogniser or a thumb produced to words that rules can match.

Speech arrives in lower case, without punctuation and with errors: compounds are joined, plurals and small misspellings
of longer words match.
"""

from __future__ import annotations

import re
from functools import lru_cache

_JOINED = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), word)
    for pattern, word in (
        (r"check(?:ing)?[ -]?outs?|check(?:ed)? out", "checkout"),
        (r"check(?:ing)?[ -]?ins?", "checkin"),
        (r"wi[ -]?fi|why fi|wife i|wireless", "wifi"),
        (r"break fast", "breakfast"),
        (r"swimming[ -]?pools?", "pool"),
        (r"room[ -]service", "roomservice"),
        (r"(?:front|reception) desk", "frontdesk"),
        (r"thank you|thank u|thanks a lot", "thanks"),
        (r"good bye|bye bye|see you", "goodbye"),
        (r"o[' ]?clock", "oclock"),
        (r"p m|p\.m\.?", "pm"),
        (r"a m|a\.m\.?", "am"),
        (r"can not|cannot", "cant"),
        (r"mid day", "midday"),
        (r"never mind", "nevermind"),
        (r"air port", "airport"),
        (r"work[ -]?out", "workout"),
    )
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})|(\d{1,2})(am|pm)\b")
_NOT_WORD = re.compile(r"[^a-z0-9:\-]+")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


@lru_cache(maxsize=512)
def words_of(text: str) -> tuple[str, ...]:
    """`What's the Wi-Fi?` as (`whats`, `the`, `wifi`). Times keep their colon, dates their dashes."""
    low = text.lower().replace("’", "'")
    for pattern, word in _JOINED:
        low = pattern.sub(word, low)
    low = _CLOCK.sub(lambda m: m[0] if m[1] else f"{m[3]} {m[4]}", low.replace("'", ""))
    out: list[str] = []
    for word in _NOT_WORD.sub(" ", low).split():
        if _ISO.fullmatch(word):
            out.append(word)
        else:
            out.extend(part for part in word.strip(":").split("-") if part)
    return tuple(out)


def word_row(text: str) -> list[str]:
    """A list of words, written as a line of text."""
    return text.split()


def word_set(text: str) -> frozenset[str]:
    """A set of words, written as a line of text."""
    return frozenset(text.split())


def matches(word: str, wanted: str) -> bool:
    """Whether a heard word is the wanted one: equal, its plural, a `prefix*`, or one slip in a word of six letters."""
    if wanted.endswith("*"):
        return word.startswith(wanted[:-1])
    if word == wanted or word.removesuffix("s") == wanted.removesuffix("s"):
        return len(word) > 2 or word == wanted
    return len(wanted) >= 6 and word[:1] == wanted[:1] and one_slip(word, wanted)


@lru_cache(maxsize=4096)
def one_slip(a: str, b: str) -> bool:
    """Whether one letter inserted, left out or changed, or two neighbours swapped, make `a` into `b`."""
    if abs(len(a) - len(b)) > 1:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[at:], b[at:]
    swapped = rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:]
    return rest_a[1:] == rest_b or rest_a == rest_b[1:] or rest_a[1:] == rest_b[1:] or swapped
