"""Where a sentence ends in text that arrives in pieces. Pure."""

from __future__ import annotations

import re

_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "st", "no", "approx", "e.g", "i.e", "a.m", "p.m", "vs", "etc", "min", "max"]
)
_END = re.compile(r"[.!?…][\"')\]]*(?=\s|$)")
_LAST_WORD = re.compile(r"([^\s]*)$")


def split_sentences(text: str, *, final: bool = False) -> tuple[list[str], str]:
    """Whole sentences at the front of `text`, and the rest. Joined they give `text` back.

    A mark at the very end counts only with `final`: what follows could still be "7.30" or "p.m. today".
    """
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if match.end() == len(text) or not _closes(text[start : match.start()], text[match.start()]):
            continue
        end = match.end()
        while end < len(text) and text[end].isspace():
            end += 1
        sentences.append(text[start:end])
        start = end
    rest = text[start:]
    if final and rest:
        sentences.append(rest)
        rest = ""
    return sentences, rest


def ends_sentence(text: str) -> bool:
    """Whether `text` ends with a whole sentence, as far as one can tell without knowing what follows."""
    stripped = text.rstrip().rstrip("\"')]")
    if not stripped or stripped[-1] not in ".!?…":
        return False
    before = stripped[:-1]
    return _closes(before, stripped[-1]) and (stripped[-1] != "." or not before[-1:].isdigit() or text[-1:].isspace())


def _closes(before: str, mark: str) -> bool:
    if mark != ".":
        return True
    found = _LAST_WORD.search(before)
    word = found[1].lower() if found else ""
    return word not in _ABBREVIATIONS and not (len(word) == 1 and word.isalpha())
