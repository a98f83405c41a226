"""How a guest's line is shown to a model: with its channel, and whether the answer before it was cut off; and how a
model is told of what was done without the guest's having heard of it.

The note stands on the guest's side because models imitate what stands on their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

TEXT = "text message"
VOICE = "spoken"
CUT_OFF = "your last answer was cut off, the guest heard only what is shown of it"
UNHEARD = "your last answer was cut off before the guest heard any of it"

UNTOLD = "Done in an earlier turn, and the guest may not have heard of it"
_TELL = "Say it first, in one sentence, unless the guest knows it from what is shown of your answers"

_MARK = re.compile(rf"\[({TEXT}|{VOICE})((?:; [^;\[\]]*)*)\] ")
_NO_SIGN = str.maketrans(dict.fromkeys(";[]\n", " "))
_TO_TELL = re.compile(rf"^{UNTOLD}: (\w+) (.*)\. {_TELL}\.$", re.MULTILINE)


_TALKING = "The guest is on the phone with you."
_ALSO_TALKING = "The guest is on the phone with you at the same time."
_DESKS = "You can put the guest through to: "
_TO_DESKS = re.compile(rf"{_DESKS}(.*)\.$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """A guest's line without its marks."""

    text: str
    by_text: bool
    after_cut: bool = False


def mark(text: str, *, by_text: bool, notes: Sequence[str] = ()) -> str:
    """`[text message] I am late`; `notes` are CUT_OFF, UNHEARD, and what else the model is to know."""
    told = [note.translate(_NO_SIGN) for note in notes]
    return f"[{'; '.join([TEXT if by_text else VOICE, *told])}] {text}"


def unmark(text: str) -> Line:
    """The inverse of `mark`. A line without marks counts as a text message."""
    found = _MARK.match(text)
    if not found:
        return Line(text, by_text=True)
    return Line(text[found.end() :], by_text=found[1] == TEXT, after_cut=CUT_OFF in found[2] or UNHEARD in found[2])


def tell(tool: str, arguments: str) -> str:
    """The wish to tell of a completed call; `arguments` are canonical."""
    return f"{UNTOLD}: {tool} {arguments}. {_TELL}."


def to_tell(text: str) -> list[tuple[str, str]]:
    """The inverse of `tell`: the calls, by tool and canonical arguments, that a text wishes to be told of."""
    return _TO_TELL.findall(text)


def in_call(desks: Sequence[str], *, voice: bool) -> str:
    """That there is a call, and whom the guest can be put through to."""
    talking = _TALKING if voice else _ALSO_TALKING
    return f"{talking} {_DESKS}{', '.join(desks)}." if desks else talking


def desks_in(text: str) -> tuple[str, ...]:
    """The inverse of `in_call`: the desks that a text names."""
    found = _TO_DESKS.search(text)
    return tuple(found[1].split(", ")) if found else ()
