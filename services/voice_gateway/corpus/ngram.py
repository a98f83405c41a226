"""A back-off trigram model in ARPA form, from sentences. Pure.

Interpolated Witten-Bell smoothing: the weight of a shorter history grows with the number of different words that
followed the longer one. It needs no held-out counts, which suits text made from patterns (Chen and Goodman 1998,
section 2.6).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

_START, _END = "<s>", "</s>"
_NEVER = -99.0
Gram = tuple[str, ...]


class NgramModel:
    """Counts of n-grams up to `order`, and their smoothed probabilities."""

    def __init__(self, sentences: Iterable[str], order: int = 3) -> None:
        self.order = order
        self._counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
        for sentence in sentences:
            words = (_START, *sentence.split(), _END)
            for size in range(1, order + 1):
                self._counts[size - 1].update(words[at : at + size] for at in range(len(words) - size + 1))
        del self._counts[0][(_START,)]
        self._total = sum(self._counts[0].values())
        self._after: dict[Gram, int] = defaultdict(int)
        self._kinds: dict[Gram, int] = defaultdict(int)
        for counts in self._counts:
            for gram, count in counts.items():
                self._after[gram[:-1]] += count
                self._kinds[gram[:-1]] += 1

    @property
    def vocabulary(self) -> frozenset[str]:
        """The words, without the sentence marks."""
        return frozenset(gram[0] for gram in self._counts[0]) - {_START, _END}

    def probability(self, gram: Gram) -> float:
        """P(last word | the words before it)."""
        if not gram:
            return 1.0 / (len(self._counts[0]) or 1)
        history = gram[:-1]
        seen, kinds = self._after.get(history, 0), self._kinds.get(history, 0)
        shorter = self.probability(gram[1:])
        if not seen:
            return shorter
        return (self._counts[len(gram) - 1].get(gram, 0) + kinds * shorter) / (seen + kinds)

    def backoff(self, history: Gram) -> float:
        """The share of `history`'s probability that goes to words not seen after it."""
        seen, kinds = self._after.get(history, 0), self._kinds.get(history, 0)
        return kinds / (seen + kinds) if seen else 1.0

    def arpa(self) -> str:
        """The model as text: base-10 logarithms, sorted, so that the same sentences give the same bytes."""
        lines = ["\\data\\"]
        grams = [sorted(counts) for counts in self._counts]
        grams[0] = sorted([*grams[0], (_START,)])
        lines.extend(f"ngram {size}={len(found)}" for size, found in enumerate(grams, start=1))
        for size, found in enumerate(grams, start=1):
            lines.extend(("", f"\\{size}-grams:"))
            lines.extend(self._line(gram, last=size == self.order) for gram in found)
        return "\n".join([*lines, "", "\\end\\", ""])

    def _line(self, gram: Gram, *, last: bool) -> str:
        value = _NEVER if gram == (_START,) else math.log10(self.probability(gram))
        text = f"{value:.4f} {' '.join(gram)}"
        return text if last or gram[-1] == _END else f"{text} {math.log10(self.backoff(gram)):.4f}"
