"""How a guest's line is shown to a model: with its channel, and whether the answer before it was cut off.

The note stands on the guest's side because models imitate what stands on their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT = "text message"
VOICE = "spoken"
CUT_OFF = "your last answer was cut off, the guest heard only what is shown of it"
UNHEARD = "your last answer was cut off before the guest heard any of it"

_MARK = re.compile(rf"\[({TEXT}|{VOICE})(?:; ({CUT_OFF}|{UNHEARD}))?\] ")


@dataclass(frozen=True, slots=True)
class Line:
    """A guest's line without its marks."""

    text: str
    by_text: bool
    after_cut: bool = False


def mark(text: str, *, by_text: bool, note: str = "") -> str:
    """`[text message] I am late`; `note` is '', CUT_OFF or UNHEARD."""
    return f"[{TEXT if by_text else VOICE}{'; ' + note if note else ''}] {text}"


def unmark(text: str) -> Line:
    """The inverse of `mark`. A line without marks counts as a text message."""
    found = _MARK.match(text)
    if not found:
        return Line(text, by_text=True)
    return Line(text[found.end() :], by_text=found[1] == TEXT, after_cut=bool(found[2]))
