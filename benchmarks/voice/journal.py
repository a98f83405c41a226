"""What the peer's agent notes of its calls: one JSON object per line, one file per call. Times are Unix seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class Order(msgspec.Struct, frozen=True):
    """The peer's job metadata: how to hold this call."""

    defaults: bool
    """No session options; otherwise those of our calls."""
    token_s: float
    journal: str
    """The file to note in."""


class Generation(msgspec.Struct, tag=True):
    """One run of the agent."""

    text: str
    """The question."""
    asked_s: float
    first_s: float = 0.0
    ended_s: float = 0.0
    finished: bool = False
    """False: broken off."""


class Said(msgspec.Struct, frozen=True, tag=True):
    """What LiveKit adds to the conversation, with the figures that it takes itself."""

    role: str
    text: str
    interrupted: bool
    metrics: dict[str, float]


Note = Generation | Said


class Journal:
    """Append-only; a line is written at once, so that a killed job leaves what it had."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def write(self, note: Note) -> None:
        with self._path.open("ab") as out:
            out.write(msgspec.json.encode(note) + b"\n")


def read_journal(path: Path) -> list[Note]:
    """Everything noted; nothing when the call was never answered."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Note) for line in lines]


def numbers_of(metrics: Any) -> dict[str, float]:
    """Of a message's metrics, those that are numbers."""
    return {name: float(value) for name, value in dict(metrics or {}).items() if isinstance(value, int | float)}
