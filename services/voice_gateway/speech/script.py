"""A sentence on its way through one voice, or through two when the first fails in the middle of it.

Captions are the sentence's own words, each once, whatever the voices tell: what was heard is measured against them.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\s*\S+\s*")


class Script:
    """Words of `text`, told in order as they begin."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._told = 0
        self._first = 0
        self._spoken_chars = 0

    def remaining(self) -> str:
        """What a voice has to say now: all, or from the word on in which a voice with word times broke off.

        A voice without them leaves no trace of how far it came: its sentence is begun again.
        """
        self._spoken_chars = 0
        return "".join(self._tokens[self._first :])

    def all_but_last(self) -> str:
        """For a voice without word times, when it begins: the words not told yet, the last of the sentence left out."""
        return self._tell(len(self._tokens) - 1)

    def rest(self) -> str:
        """When a voice has ended: the words not told yet."""
        return self._tell(len(self._tokens))

    def share(self) -> float:
        """How much of the text is told, 0 to 1: without word times, when the next word begins."""
        return sum(map(len, self._tokens[: self._told])) / max(1, sum(map(len, self._tokens)))

    def _tell(self, until: int) -> str:
        words = "".join(self._tokens[self._told : until])
        self._told = max(self._told, until)
        return words

    def spoken(self, piece: str) -> str:
        """A voice said that `piece` of the text begins: the words not told yet that it touches."""
        begun, self._spoken_chars = self._spoken_chars, self._spoken_chars + _solid(piece)
        at, place, words = 0, self._first, ""
        while place < len(self._tokens) and at < self._spoken_chars:
            if at >= begun and place >= self._told:
                words += self._tokens[place]
                self._told = place + 1
            at += _solid(self._tokens[place])
            place += 1
        return words

    def broke_off(self, *, timed: bool) -> None:
        """The voice failed after some audio. `timed`: it told its words."""
        if timed and self._told:
            self._first = max(self._first, self._told - 1)


def _solid(text: str) -> int:
    """Signs that are no blanks: voices differ in what they do with those."""
    return sum(not sign.isspace() for sign in text)
