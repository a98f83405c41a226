"""The seam of a failover: a successor's reply goes on behind words that the guest already has.

A model that is asked to go on repeats none of the draft, its last words, or all of it, and may begin in the middle of a
word. Overlap is dropped, so that no emitted word is repeated and none is lost; everything else passes as it comes.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\S+\s*")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_SURE = 3
"""So many words in a row that stand inside the draft are a repetition even when the reply ends within it."""
_WORDS = frozenset(
    re.findall(
        r"\w+",
        "all and any are art day each ear eat else end ever for had has hat hear her here him his how ice its lay led "
        "let may men more new nor not now old one open other our out over own rice ride room run side some son sun ten "
        "than the then there they this time use was way were what when where will with you your",
    )
)
"""Words that end other words and may well follow them."""


class Continuation:
    """Takes the whole words of a successor's reply, gives back what is new behind `draft`.

    The first word may be the end of one of the draft's. By itself that proves little (`this is`), so it counts as a
    repetition only with a whole word behind it, or if it is hardly a word of its own.
    """

    def __init__(self, draft: str) -> None:
        self._draft = draft
        self._said = [_plain(word) for word in draft.split()]
        self._last = draft.split()[-1] if self._said else ""
        self._unfinished = bool(draft) and draft[-1].isalnum()
        self._held: list[str] = []
        self._starts = list(range(len(self._said)))
        self._within: set[int] = set()
        """Starts at which the reply began in the middle of the word."""
        self._overlap = 0
        self._begun = False
        self._spaced = False
        self._settled = not self._said

    def feed(self, text: str) -> str:
        """Text that may be emitted now; `text` is whole words, each with the blank behind it."""
        if self._settled:
            return text
        if not self._begun and text:
            self._begun, self._spaced = True, text[0].isspace()
        words = _WORD.findall(text)
        for at, word in enumerate(words):
            self._narrow(word)
            if not self._starts:
                return self._settle() + "".join(words[at + 1 :])
        return ""

    def flush(self) -> str:
        """What is left when the reply has ended."""
        if self._settled or not self._held:
            return ""
        count = len(self._held)
        from_the_beginning = 0 in self._starts and 0 not in self._within
        if not self._overlap and (from_the_beginning or count >= _SURE):
            return ""
        return self._settle()

    def _narrow(self, word: str) -> None:
        at, plain = len(self._held), _plain(word)
        self._held.append(word)
        if not at:
            self._within = {start for start in self._starts if self._ends_with(start, plain)}
        alive = [start for start in self._starts if self._same(start + at, plain) or (not at and start in self._within)]
        end = len(self._said)
        if any(start + at + 1 == end and (at or start not in self._within or _fragment(plain)) for start in alive):
            self._overlap = at + 1
        self._starts = [start for start in alive if start + at + 1 < end]

    def _ends_with(self, index: int, plain: str) -> bool:
        said = self._said[index]
        return len(said) > len(plain) and said.endswith(plain)

    def _same(self, index: int, plain: str) -> bool:
        said = self._said[index]
        if index == len(self._said) - 1 and self._unfinished:
            return plain.startswith(said)
        return plain == said

    def _settle(self) -> str:
        self._settled = True
        rest = "".join(self._held[self._overlap :])
        if self._draft[-1].isspace():
            return rest
        if self._overlap:
            return self._completed(self._held[self._overlap - 1]) + rest
        glued = self._unfinished and not self._spaced and rest[:1].islower()
        return rest if glued else " " + rest

    def _completed(self, word: str) -> str:
        """What the repeated `word` has beyond the draft's last one."""
        if word.casefold().startswith(self._last.casefold()):
            return word[len(self._last) :]
        return " "


def _fragment(plain: str) -> bool:
    return len(plain) >= _SURE and plain not in _WORDS


def _plain(word: str) -> str:
    return _EDGES.sub("", word.strip()).casefold() or word.strip()
