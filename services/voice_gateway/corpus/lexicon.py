"""Words that hotel guests say and the CMU dictionary does not have, in its phones. Pure."""

from __future__ import annotations

from collections.abc import Iterable

ADDITIONS: dict[str, tuple[str, ...]] = {
    "wifi": ("W AY F AY",),
    "wi-fi": ("W AY F AY",),
    "hairdryer": ("HH EH R D R AY ER",),
    "minibar": ("M IH N IY B AA R",),
    "halal": ("HH AH L AA L", "HH AE L AE L"),
    "checkout": ("CH EH K AW T",),
    "bathrobe": ("B AE TH R OW B",),
}


def dictionary(base: Iterable[str], vocabulary: frozenset[str]) -> str:
    """The base dictionary's lines for `vocabulary`, with the additions for what it lacks.

    Only what the language model can say is kept: a dictionary of 135,000 words costs a second and 40 MB for nothing.
    Raises KeyError for a word that neither has.
    """
    lines, known = [], set()
    for line in base:
        word = line.split(maxsplit=1)[0].split("(")[0] if line.strip() else ""
        if word in vocabulary:
            lines.append(line.rstrip("\n"))
            known.add(word)
    for word in sorted(vocabulary - known):
        for number, phones in enumerate(ADDITIONS[word], start=1):
            lines.append(f"{word}{f'({number})' if number > 1 else ''} {phones}")
    return "\n".join([*lines, ""])
