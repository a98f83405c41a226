"""Figures as Markdown: tables with even columns, spreads with their ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.figures import Spread


def spread_text(spread: Spread, digits: int = 2) -> str:
    """Median and range."""
    return f"{spread.median:.{digits}f} {range_text(spread, digits)}"


def range_text(spread: Spread, digits: int = 2) -> str:
    return f"[{spread.low:.{digits}f}-{spread.high:.{digits}f}]"


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), *map(list, rows)]
    assert all(len(line) == len(head) for line in lines), "a row has as many columns as the head"
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join((padded[0], rule, *padded[1:]))
