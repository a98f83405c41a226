"""Sentence patterns and their expansion. Pure.

A pattern file has slots (`name = a | b`), limits (`@ 40`) and patterns: words, `(a|b|)` for a choice and `<name>` for a
slot; a `|` outside brackets separates patterns on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_SIGN = re.compile(r"\(|\)|\||<[a-z]+>|[^\s()|<>]+")
_SLOT = re.compile(r"([a-z]+)\s*=\s*(.*)")
_STRIDE = 0x9E3779B1
"""A large odd step: walking the choices by it spreads a small sample evenly over all of them."""


class PatternError(ValueError):
    """A pattern file that does not parse; the text names the line."""


@dataclass(frozen=True)
class _Words:
    text: str

    @property
    def size(self) -> int:
        return 1

    def pick(self, index: int) -> str:
        return self.text


@dataclass(frozen=True)
class _Choice:
    options: tuple[_Node, ...]

    @property
    def size(self) -> int:
        return sum(option.size for option in self.options)

    def pick(self, index: int) -> str:
        """Options take turns, so that a rich option does not drown a poor one."""
        option = self.options[index % len(self.options)]
        return option.pick(index // len(self.options))


@dataclass(frozen=True)
class _Sequence:
    parts: tuple[_Node, ...]

    @property
    def size(self) -> int:
        total = 1
        for part in self.parts:
            total *= part.size
        return total

    def pick(self, index: int) -> str:
        out = []
        for part in self.parts:
            # Each part gets an index of its own kind of spread: neighbours do not change in step.
            out.append(part.pick(index % max(part.size, 1)))
            index = index // max(part.size, 1) + (index % max(part.size, 1)) * 7
        return " ".join(text for text in out if text)


_Node = _Words | _Choice | _Sequence


class _Parser:
    def __init__(self, text: str, slots: Mapping[str, _Node]) -> None:
        self._signs = _SIGN.findall(text)
        self._slots = slots
        self._at = 0

    def parse(self) -> _Node:
        node = self._choice()
        if self._at != len(self._signs):
            raise PatternError(f"unexpected {self._signs[self._at]!r}")
        return node

    def _choice(self) -> _Node:
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else _Choice(tuple(options))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while (sign := self._peek()) not in ("", "|", ")"):
            self._at += 1
            if sign == "(":
                parts.append(self._choice())
                if self._peek() != ")":
                    raise PatternError("a bracket is not closed")
                self._at += 1
            elif sign.startswith("<"):
                parts.append(self._slot(sign[1:-1]))
            else:
                parts.append(_Words(sign))
        return _Sequence(tuple(parts))

    def _slot(self, name: str) -> _Node:
        if name not in self._slots:
            raise PatternError(f"slot {name!r} is not defined above")
        return self._slots[name]

    def _peek(self) -> str:
        return self._signs[self._at] if self._at < len(self._signs) else ""


def sentences(source: str) -> Iterator[str]:
    """Every pattern of `source` expanded, up to the limit above it, without repetition within a pattern.

    Deterministic. Raises `PatternError`.
    """
    slots: dict[str, _Node] = {}
    limit = 20
    for number, raw in enumerate(source.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("@"):
                limit = int(line[1:])
            elif slot := _SLOT.fullmatch(line):
                slots[slot[1]] = _Parser(slot[2], slots).parse()
            else:
                yield from _expand(_Parser(line, slots).parse(), limit)
        except ValueError as error:
            raise PatternError(f"line {number}: {error}") from error


def _expand(node: _Node, limit: int) -> Iterator[str]:
    # A line of alternatives gives them all; a product is sampled.
    options = node.options if isinstance(node, _Choice) else (node,)
    for option in options:
        seen: set[str] = set()
        for step in range(min(option.size, limit)):
            text = option.pick(step if option.size <= limit else step * _STRIDE % option.size)
            if text and text not in seen:
                seen.add(text)
                yield text
