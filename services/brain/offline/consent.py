"""Yes and no: what counts as an answer to an offer."""

from __future__ import annotations

from collections.abc import Sequence

from services.brain.offline.intents import fits
from services.brain.offline.words import word_set

ACCEPT = word_set(
    "yes yeah yep yup sure ok okay please do it go ahead thats that fine great good perfect lovely wonderful "
    "absolutely definitely certainly course of book confirm take accept ill i will would be works for me "
    "sounds agreed deal alright right lets let us want like to the offer one thanks love and we well just"
)
"""An answer to an offer made of nothing but these, with one of the next among them, is a yes."""
YES = word_set(
    "yes yeah yep yup sure ok okay ahead fine great good perfect lovely wonderful absolutely definitely "
    "certainly course book confirm take accept works agreed deal alright please"
)
NO = word_set("no nope nah not dont nevermind cancel decline rather leave forget expensive without never cant wont")
ACCEPT_PATTERNS = (
    "book|confirm|take|accept|reserve|arrange it|that|offer|checkout|one|this",
    "yes book|confirm|take|reserve",
    "go|do ahead|it book|with|offer|checkout",
)
DECLINE_PATTERNS = (
    "no|nope|nah thanks|thank|need|worries|it|not|really|leave|dont|too|just|its|i",
    "no|nope|nah",
    "not now|today|needed|interested|necessary|really|worth|want|book|that|this|it",
    "dont|wont want|need|book|bother|take|worry|think|do",
    "nevermind|forget|skip|decline|cancel",
    "too|very|bit|quite expensive|much|pricey|dear",
    "rather|leave not|without|it",
)


BEGINS = word_set("yes yeah yep yup absolutely definitely certainly")
MAX_YES_WORDS = 8


def is_yes(words: Sequence[str]) -> bool:
    """Nothing but consent, consent in so many words, or a short line that begins with a yes, the rest of which may be
    misheard; any no among them makes it none."""
    if NO & set(words):
        return False
    if set(words) <= ACCEPT and YES & set(words):
        return True
    return is_explicit(words) or (bool(words) and words[0] in BEGINS and len(words) <= MAX_YES_WORDS)


def is_explicit(words: Sequence[str]) -> bool:
    """Whether it says what it consents to, so that it counts also when other things were said in between."""
    return fits(ACCEPT_PATTERNS, words)


def is_no(words: Sequence[str]) -> bool:
    return bool((NO | {"too", "very"}) & set(words)) and fits(DECLINE_PATTERNS, words)
