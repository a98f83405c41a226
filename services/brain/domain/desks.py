"""The desks of the hotel that a caller can be put through to: their names. The voice gateway knows their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_DESKS = 16
_NAME = re.compile(r"[a-z][a-z ]{0,39}")


def parse_desks(text: str) -> tuple[str, ...]:
    """`Reception, concierge desk` as (`reception`, `concierge desk`). Raises ValueError for anything else."""
    names = tuple(dict.fromkeys(" ".join(part.lower().split()) for part in text.split(",") if part.strip()))
    if len(names) > MAX_DESKS:
        raise ValueError(f"desks: {MAX_DESKS} at most")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"desk {name!r}: letters and blanks only, 40 at most")
    return names


def find_desk(wanted: str, desks: Sequence[str]) -> str:
    """The desk that is meant, however it is written (`Concierge-Desk`, `the reception`); '' for none."""
    words = [word for word in re.split(r"[^a-z]+", wanted.lower()) if word and word != "the"]
    return next((desk for desk in desks if desk.split() == words), "")
