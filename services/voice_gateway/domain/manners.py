"""What the concierge says by itself, when, and who has the floor. Pure.

None of it is the answer: the filler never enters the history, the reprompt is not a turn.
"""

from __future__ import annotations

import msgspec

FILLERS = (
    "One moment please.",
    "Let me check that for you.",
    "Just a second.",
)
REPROMPTS = (
    "Sorry, I didn't catch that. Could you say it again?",
    "I'm sorry, the line is not clear. Could you repeat that slowly?",
)
NO_ANSWER = "I'm sorry, I can't answer right now. Please ask me again in a moment."
LOST_THREAD = "I'm sorry, I lost my thread. Could you ask me again?"
TOO_LONG = "I'm sorry, that message is too long for me. Could you send it in parts?"
STILL_THERE = "Are you still there?"
SILENT_GOODBYE = "I can't hear you any more, so I will hang up. Please call again whenever you like. Goodbye."
BACK_AGAIN = "I'm sorry, we were cut off for a moment."
"""Said by whoever takes a call over from a gateway that died."""
GREETING = "Hello, this is your hotel concierge. How can I help?"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for the brain, in seconds."""

    filler_s: float = 1.0
    """Turn handed over -> the filler is spoken if no words have come."""
    first_words_s: float = 8.0
    """Turn handed over -> the fallback is spoken if no words have come."""
    stall_s: float = 5.0
    """Words -> next words; the fallback closes a reply that stops in the middle."""


def filler(turn: int) -> str:
    """The filler of the call's `turn`-th question: never the same twice in a row."""
    return FILLERS[turn % len(FILLERS)]


def reprompt(times: int) -> str:
    """What to say when nothing was understood for the `times`-th time in a row, from 0."""
    return REPROMPTS[min(times, len(REPROMPTS) - 1)]


def fallback(said: str) -> str:
    """What to say when the brain fails after `said`."""
    return LOST_THREAD if said.strip() else NO_ANSWER


def takes_the_floor(words: str, *, min_words: int, guest_speaking: bool, concierge_speaking: bool) -> bool:
    """Whether these words of a running utterance interrupt the concierge for good.

    Sound alone only pauses the concierge, who goes on if no words follow (a door, a cough). Waiting for the end of the
    utterance would keep the brain working for seconds on an answer that nobody will hear.
    """
    return guest_speaking and not concierge_speaking and len(words.split()) >= min_words


def understood(confidence: float, floor: float) -> bool:
    """Whether a transcript is worth answering. A recogniser that does not tell its confidence gives 0."""
    return confidence <= 0.0 or confidence >= floor
