"""What can be done with a call besides talking: the words that go with it, and whose wishes count. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from libs.contracts.limits import MAX_PAUSE_S
from services.voice_gateway.domain.wording import words_of

NOT_PUT_THROUGH = "I'm sorry, I could not put you through. You can dial the front desk from your room. I'm still here."
OUTCOME_NOT_KNOWN = "I'm sorry, I don't know whether you were put through. Shall I try it again?"
STILL_THERE = "I'm listening again. Is there anything that I can do for you?"
LISTENING_AGAIN = "I'm listening again."

GUEST_WENT_ON = "the guest did not hear the reply to its end, or went on talking"
CALL_ENDED = "the call has ended"
NO_SUCH_DESK = "no such desk"
NO_ANSWER_IN_TIME = "nobody answered in time"
NO_CARDS = "no cards yet"
NOT_KNOWN = "the call was taken over by another gateway meanwhile; the outcome is not known"

_ADDRESS = re.compile(r"tel:\+?[0-9]{3,15}|sips?:[A-Za-z0-9_.+\-]{1,64}@[A-Za-z0-9.\-]{1,63}(?::[0-9]{1,5})?")
MAX_WAKE_WORDS = 12
_OPENINGS = frozenset(words_of("okay ok so yes yeah right alright sorry well thanks and hi hey oh now um uh"))
_NAMED = frozenset(["concierge"])
_WAKE = tuple(
    tuple(phrase.split())
    for phrase in (
        "i'm back",
        "im back",
        "i am back",
        "we're back",
        "we are back",
        "are you there",
        "are you still there",
        "can you hear me",
        "you can talk",
        "you can speak",
        "please resume",
        "resume",
        "let's continue",
        "let's go on",
        "we can continue",
        "we can go on",
        "here i am",
    )
)
_GREETING = frozenset(["hello", "hallo"])
MAX_GREETING_WORDS = 3


def wakes(text: str) -> bool:
    """Whether these words end a pause: the concierge is called, greeted, or told that it is over.

    In a pause most of what is said is meant for somebody else, and all that is long.
    """
    said = words_of(text)
    while said and said[0] in _OPENINGS:
        said = said[1:]
    if not said or len(said) > MAX_WAKE_WORDS:
        return False
    if _NAMED & set(said):
        return True
    if said[0] in _GREETING and len(said) <= MAX_GREETING_WORDS:
        return True
    return any(_begins(said[skip:], phrase) for skip in (0, 1) for phrase in _WAKE if not skip or said[0] in _GREETING)


def _begins(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return tuple(words[: len(phrase)]) == tuple(phrase)


def pause_s(seconds: int) -> int:
    """How long a pause of so many seconds lasts, 0 being for as long as possible."""
    return min(seconds, MAX_PAUSE_S) if seconds > 0 else MAX_PAUSE_S


def is_address(text: str) -> bool:
    """Whether it can be dialled: `tel:` and digits, or a SIP address."""
    return _ADDRESS.fullmatch(text) is not None


def desk_name(text: str) -> str:
    """`Concierge-Desk` as `concierge desk`: names are the same however they are written."""
    return " ".join(word for word in re.split(r"[^a-z]+", text.lower()) if word)


def address_of(to: str, desks: Mapping[str, str], *, by_staff: bool) -> str:
    """Where to put a guest through to; '' when there is no such desk.

    Only staff may name a number: a model that could would dial what a guest talks it into.
    """
    if by_staff and is_address(to):
        return to
    return {desk_name(name): address for name, address in desks.items()}.get(desk_name(to), "")
