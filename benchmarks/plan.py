"""What is measured, how often, and what it should come to. Durations are milliseconds unless a name says else."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

POST = "POST"
"""The peer that targets are ratios to."""
PEERS = {"bus": "", POST: "post ", "POST, lean": "lean ", "SSE": "stream "}
"""What answers a question, with the prefix of its client's commands."""


class Shape(NamedTuple):
    """How questions come: so many guests at once, or so many questions per second whoever is still waiting."""

    name: str
    turns: int
    at_once: int = 0
    per_s: float = 0.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    runs: int
    shapes: tuple[Shape, ...]
    warm_up_turns: int
    floor_commands: int
    replies: int
    """Paced replies at once."""
    tokens: int
    """Of one paced reply."""
    token_ms: int
    cancels: int
    cancels_at_once: int = 10


ALONE, FIFTY, TWO_HUNDRED, STEADY = "1 at once", "50 at once", "200 at once", "200 turns/s"

FULL = Plan(
    runs=5,
    shapes=(
        Shape(ALONE, 1_000, at_once=1),
        Shape(FIFTY, 4_000, at_once=50),
        Shape(TWO_HUNDRED, 5_000, at_once=200),
        Shape(STEADY, 800, per_s=200),
    ),
    warm_up_turns=500,
    floor_commands=3_000,
    replies=200,
    tokens=150,
    token_ms=20,
    cancels=300,
)
QUICK = Plan(
    runs=1,
    shapes=(
        Shape(ALONE, 50, at_once=1),
        Shape(FIFTY, 200, at_once=50),
        Shape(TWO_HUNDRED, 400, at_once=200),
        Shape(STEADY, 60, per_s=200),
    ),
    warm_up_turns=40,
    floor_commands=200,
    replies=50,
    tokens=20,
    token_ms=20,
    cancels=20,
)
"""Shows that the harness works. Its figures mean nothing."""
