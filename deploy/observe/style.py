"""How pictures look: one set of colours and letters for all that is drawn of measurements. Light background."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import matplotlib as mpl

INK, GREY, RULE, PAPER = "#1f2430", "#6b7280", "#e3e6ec", "#ffffff"
BLUE, GREEN, PURPLE, AMBER, RED = "#2f6fde", "#2e9f68", "#8450c8", "#c47a00", "#cf3340"
SERIES = (BLUE, GREEN, AMBER, PURPLE, RED, "#0f93a8", "#b0518f", "#7a8b1f", "#5a6b8c", "#8a5a3b", "#3d4fa3", "#d0673c")
"""In the order in which lines of one panel get them."""

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "savefig.facecolor": "auto",
}

_MEANING = {
    GREEN: ("finished", "ok", "go", "heard", "new", "complete"),
    RED: ("failed", "dead", "lost", "exhausted", "unreadable", "apology"),
    AMBER: ("expired", "cancelled", "interrupted", "cut", "filler", "conflict"),
}


def colours_of(names: Sequence[str]) -> list[str]:
    """A colour per line of a panel: good is green and bad is red wherever it stands; the others take what is left."""
    meant: list[str] = []
    for one in names:
        colour = next((colour for colour, words in _MEANING.items() if set(words) & set(one.split())), "")
        meant.append("" if colour in meant else colour)
    free = itertools.cycle([colour for colour in SERIES if colour not in meant])
    return [colour or next(free) for colour in meant]


def styled(**changed: object) -> AbstractContextManager[None]:
    """What is drawn inside looks so."""
    return mpl.rc_context(cast("Any", {**_STYLE, **changed}))
