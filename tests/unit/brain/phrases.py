"""What guests say, by what they want: the lines of phrases.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

_TABLE = tomllib.loads((Path(__file__).parent / "phrases.toml").read_text(encoding="utf-8"))
PHRASES: dict[str, tuple[str, ...]] = {intent: tuple(lines) for intent, lines in _TABLE["phrases"].items()}
NOBODY_KNOWS: tuple[str, ...] = tuple(_TABLE["nobody_knows"])
