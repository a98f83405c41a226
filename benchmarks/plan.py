"""What is measured, how often, and what it should come to. Durations are milliseconds unless a name says else."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

POST = "POST"
"""The peer that targets are ratios to."""
PEERS = {"bus": "", POST: "post ", "POST, lean": "lean ", "SSE": "stream "}
"""What answers a question, with the prefix of its client's commands."""


BRAIN_ALONE, BRAIN_LOADED = "brain: words, alone", "brain: words, 100 at once"
BRAIN_TOOL_ALONE, BRAIN_TOOL_LOADED = "brain: tool call, then words, alone", "brain: tool call, then words, 100 at once"


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
    brain_turns: int
    """Turns of the concierge, one after the other."""
    brain_turns_at_once: int
    """Turns of the concierge that are measured while `brain_at_once` run."""
    brain_at_once: int
    brain_every_s: float = 0.02
    brain_first_token_s: float = 0.02
    brain_token_s: float = 0.05


ALONE, FIFTY, TWO_HUNDRED, STEADY = "1 at once", "50 at once", "200 at once", "200 turns/s"

FULL = Plan(
    runs=5,
    shapes=(
        Shape(ALONE, 800, at_once=1),
        Shape(FIFTY, 3_000, at_once=50),
        Shape(TWO_HUNDRED, 4_000, at_once=200),
        Shape(STEADY, 600, per_s=200),
    ),
    warm_up_turns=500,
    floor_commands=3_000,
    replies=200,
    tokens=150,
    token_ms=20,
    cancels=300,
    brain_turns=50,
    brain_turns_at_once=100,
    brain_at_once=100,
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
    brain_turns=5,
    brain_turns_at_once=10,
    brain_at_once=10,
)
"""Shows that the harness works. Its figures mean nothing."""
