"""What the guest has told: in which words it comes back, and which of it a question is about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.brain.domain.marks import Line
from services.brain.offline.words import matches, word_set, words_of

_SWAPPED = {
    "i": "you",
    "im": "you're",
    "i'm": "you're",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "we": "you",
    "we're": "you're",
    "us": "you",
    "our": "your",
    "ours": "yours",
    "am": "are",
    "i'll": "you'll",
    "ill": "you'll",
    "i've": "you've",
    "we'll": "you'll",
    "you": "me",
    "your": "my",
}
_COMMON = word_set(
    "a an the is are am was were be been do does did have has had i me my we our us you your it its this that "
    "what when where which who how why can could will would should at in on of for to from with and or but not "
    "no yes please tell told said say text texted message messaged know remember mention mentioned about there "
    "here time day today tomorrow tonight morning evening afternoon oclock pm one two three four five six "
    "seven eight nine ten eleven twelve again just so if earlier before get got going"
)
_ASKING = word_set("what when where which who how do did does is am are was can could remember tell remind know")
MAX_QUOTE_CHARS = 240
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_OPENING = re.compile(
    r"^(?:(?:hello|hi|hey|please|oh|and|also|well|by the way|btw|fyi|just so you know|for your information|remember|"
    r"(?:please )?note|keep in mind)\b[\s,.:;!-]*(?:that\b\s*)?)+",
    re.IGNORECASE,
)


def statement(text: str) -> str:
    """What a message tells, without what it asks beside it and without `by the way`; the whole text if it only asks."""
    sentences = _BETWEEN_SENTENCES.split(text.strip())
    told = [part for part in sentences if not part.endswith("?") and not is_question(words_of(part))]
    told_text = " ".join(told) or text
    return _OPENING.sub("", told_text) or told_text


def to_you(text: str) -> str:
    """`By the way, my taxi is at nine.` as `your taxi is at nine`."""
    swapped: list[str] = []
    for word in statement(text).split():
        plain = word.lower().rstrip(".,!?;:")
        tail = word[len(plain) :]
        swapped.append(_SWAPPED[plain] + tail if plain in _SWAPPED else word)
    out = " ".join(swapped).strip().rstrip(".!")
    return out if len(out) <= MAX_QUOTE_CHARS else out[:MAX_QUOTE_CHARS].rsplit(" ", 1)[0] + " and so on"


def is_question(words: Sequence[str]) -> bool:
    return bool(words) and words[0] in _ASKING


def about(question: Sequence[str], told: Sequence[Line]) -> Line | None:
    """The latest of what was told that shares most of the question's own words; None if it shares none."""
    wanted = [word for word in question if word not in _COMMON]
    best: tuple[int, Line | None] = (0, None)
    for line in told:
        words = words_of(line.text)
        shared = sum(any(matches(word, want) for word in words) for want in wanted)
        if shared and shared >= best[0]:
            best = (shared, line)
    return best[1]
