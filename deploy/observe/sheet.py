"""A figure on which things stand in inches from its upper left corner."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from deploy.observe.style import PAPER, RULE

DESK = "#f4f5f8"


class Sheet:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor=DESK)

    def axes(self, x: float, y: float, w: float, h: float) -> Axes:
        return self.figure.add_axes((x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height))

    def text(self, x: float, y: float, text: str, **how: Any) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, text, va="top", **how)

    def card(self, x: float, y: float, w: float, h: float) -> None:
        box = FancyBboxPatch(
            (x, self.height - y - h), w, h, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=PAPER, edgecolor=RULE, linewidth=1, transform=self.figure.dpi_scale_trans, zorder=-1,
        )  # fmt: skip
        self.figure.add_artist(box)

    def stroke(self, x: float, y: float, length: float, colour: str, *, dashed: bool) -> None:
        """A short line, as in a legend."""
        ends = (x, x + length), (self.height - y, self.height - y)
        line = Line2D(
            *ends, color=colour, linewidth=2.4, linestyle="--" if dashed else "-", transform=self.figure.dpi_scale_trans
        )
        self.figure.add_artist(line)
