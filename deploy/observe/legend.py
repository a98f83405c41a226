"""The names of a panel's lines below it, in as many rows as they need, each as wide as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from deploy.observe.sheet import Sheet
from deploy.observe.style import GREY, INK, SERIES, colours_of

LINE_IN, MARK_IN, BETWEEN_IN, MORE_IN = 0.18, 0.2, 0.18, 0.7
MOST_LINES = 3
_SIZE = 8
_FONT = FontProperties(family="DejaVu Sans", size=_SIZE)


class Place(NamedTuple):
    """Where a name stands: inches from the left, and the line."""

    x: float
    line: int
    number: int
    """Of the curve; -1 for the words that say how many names are left out."""
    name: str


class Legend:
    """Laid out when it is made: `height` in inches."""

    def __init__(self, names: Sequence[str], width: float) -> None:
        self._colours = colours_of(names)
        self.places = _places(names, width)
        self.height = LINE_IN * (max(place.line for place in self.places) + 1) + 0.06

    def draw(self, sheet: Sheet, left: float, top: float) -> None:
        """`left` and `top` in inches from the sheet's upper left corner."""
        for x, line, number, name in self.places:
            at = top + line * LINE_IN
            if number < 0:
                sheet.text(left + x, at, name, fontproperties=_FONT, color=GREY)
                continue
            sheet.stroke(left + x, at + 0.08, MARK_IN - 0.07, self._colours[number], dashed=number >= len(SERIES))
            sheet.text(left + x + MARK_IN, at, name, fontproperties=_FONT, color=INK)


def _places(names: Sequence[str], width: float) -> list[Place]:
    places: list[Place] = []
    x, line = 0.0, 0
    for number, name in enumerate(names):
        wide = MARK_IN + width_of(name)
        if x and x + wide > width:
            x, line = 0.0, line + 1
        left = len(names) - number
        full = line == MOST_LINES - 1 and left > 1 and x + wide + BETWEEN_IN + MORE_IN > width
        if line >= MOST_LINES or full:
            last = places[-1]
            x = x if line < MOST_LINES else last.x + MARK_IN + width_of(last.name) + BETWEEN_IN
            return [*places, Place(x, min(line, MOST_LINES - 1), -1, f"+ {left} more")]
        places.append(Place(x, line, number, name))
        x += wide + BETWEEN_IN
    return places


def width_of(text: str) -> float:
    """Inches."""
    return float(TextPath((0, 0), text, size=_SIZE, prop=_FONT).get_extents().width) / 72 if text.strip() else 0.0
