"""The record of a verification: what was looked at, what was seen. It is kept as evidence, so it names no secret, and
no path or name of the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path


class Journal:
    """Writes lines to `path` and to whoever watches. `hidden`: what is written as something else, by what it is."""

    def __init__(self, path: Path, show: Callable[[str], None], hidden: Mapping[str, str]) -> None:
        self._path = path
        self._show = show
        self._hidden = dict(hidden)
        self._start = time.monotonic()
        self.passed = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def hide(self, words: Mapping[str, str]) -> None:
        self._hidden |= words

    def title(self, text: str) -> None:
        self._write(f"\n== {text}  [{time.monotonic() - self._start:.0f} s]")

    def say(self, text: str) -> None:
        for line in text.splitlines():
            self._write(f"   {line}")

    def holds(self, text: str) -> None:
        """Something that was promised, and seen."""
        self.passed += 1
        self._write(f"ok {text}")

    def fails(self, text: str) -> None:
        for line in text.splitlines():
            self._write(f"FAILED {line}")

    def _write(self, line: str) -> None:
        line = scrubbed(line, self._hidden).rstrip()
        with self._path.open("a") as out:
            out.write(line + "\n")
        self._show(line)


def scrubbed(line: str, hidden: Mapping[str, str]) -> str:
    """The line with every hidden word replaced: the longest first, for one may be the beginning of another."""
    for word in sorted(filter(None, hidden), key=len, reverse=True):
        line = line.replace(word, hidden[word])
    return line
