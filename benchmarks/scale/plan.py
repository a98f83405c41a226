"""How much traffic, for how long, with which model. Seconds where nothing else is said."""

from __future__ import annotations

import msgspec

PROPERTY = "harbour"
KEY = "dev-scale"
QUESTION = "Tell me about the hotel."
"""Its answer is the longest: nearly all of a turn is the model's time, and least of it the machine's."""
ALERT = "GuestsWait"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    # The model: what a guest waits for, whatever the machine does.
    first_token_s: float = 0.3
    tokens_per_s: float = 30.0

    # The scene: an open loop, Poisson arrivals, whoever is still waiting.
    calm_s: float = 20.0
    calm_per_s: float = 5.0
    rush_per_s: float = 22.0
    """More than one brain's slots can answer with this model, and less than four brains can."""
    brains_then: int = 4
    fires_within_s: float = 90.0
    clears_within_s: float = 150.0
    after_s: float = 30.0
    """How long the rush goes on when the alert has cleared."""

    # Turns per second: a closed loop that keeps every slot taken.
    brains: tuple[int, ...] = (1, 2, 4)
    repetitions: int = 3
    guests_per_slot: float = 1.25
    warm_s: float = 5.0
    window_s: float = 12.0

    turns_per_guest: int = 6
    """Then a new guest comes: no history grows long."""
    streamed_share: float = 0.1
    """Of the guests who read the answer as it is written; the others take it whole."""


FULL = Plan()
QUICK = Plan(calm_s=6.0, after_s=5.0, repetitions=1, brains=(1, 2), warm_s=4.0, window_s=4.0)
"""Shows that the harness works: the alert takes its time all the same. The figures mean little."""
