"""Comparing what was said with what was understood. Pure."""

from __future__ import annotations

import re


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower())


def word_errors(said: str, recognised: str) -> int:
    """Substitutions, deletions and insertions between the two."""
    wanted, got = words_of(said), words_of(recognised)
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, start=1):
        before, row[0] = row[0], at
        for to, other in enumerate(got, start=1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (word != other))
    return row[-1]


def word_error_rate(said: str, recognised: str) -> float:
    """Word errors per word said; 0 for nothing said and nothing recognised."""
    wanted = len(words_of(said))
    errors = word_errors(said, recognised)
    return errors / wanted if wanted else float(errors)
