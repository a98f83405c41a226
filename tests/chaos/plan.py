"""How much of everything a run does."""

from __future__ import annotations

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run goes on until every quota is met, `limit_s` at most; then Redis has its own phase."""

    seed: int = 1
    brains: int = 4
    guests: int = 12
    """Conversations at once."""
    callers: int = 3
    """Guests who phone, one after the other while the run lasts."""
    turns: int = 1_000
    kills: int = 200
    mid_stream: int = 150
    in_effect: int = 24
    """Half of them before the hotel took the effect, half after."""
    zombies: int = 12
    """Brains stopped with a reply mid-stream, and woken when it is another's."""
    redis_faults: int = 12
    others: int = 2
    """Brains alive besides the one that is killed."""
    limit_s: float = 1_800.0
    patience_s: float = 90.0
    """After which a guest gives a turn up: the auditor will find it unanswered."""
    settle_s: float = 60.0
    """How long the last turns may take before what is left counts as left over."""
    token_s: float = 0.05
    pms_s: float = 0.6
    """How long the hotel takes for a write."""


FULL = Plan()
SHORT = Plan(
    brains=4,
    guests=6,
    callers=1,
    turns=25,
    kills=5,
    mid_stream=3,
    in_effect=2,
    zombies=1,
    redis_faults=2,
    limit_s=60.0,
    token_s=0.03,
    pms_s=2.0,
)
"""The part of `make test`."""
ZOMBIE = Plan(
    brains=2, guests=4, callers=0, turns=8, kills=0, mid_stream=0, in_effect=0, zombies=1, redis_faults=0,
    limit_s=60.0, patience_s=12.0, settle_s=5.0, token_s=0.03, pms_s=0.0,
)  # fmt: skip
"""One brain is stopped with a reply mid-stream and woken when it is another's: nothing else."""
