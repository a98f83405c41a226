"""The protocol keeps its invariants whatever happens. BOTEL_TEST_TRIALS, _STEPS and _SEED: longer, or once more."""

from __future__ import annotations

import os
import sys

from tests.bus.property.calls import Calls
from tests.bus.property.trial import connect, run_trials

TRIALS = int(os.environ.get("BOTEL_TEST_TRIALS", "40"))
STEPS = int(os.environ.get("BOTEL_TEST_STEPS", "300"))
SEED = int(os.environ.get("BOTEL_TEST_SEED", "1"))

COVERED = (
    "accept ok", "accept dup", "accept busy", "accept overload", "accept cancelled",
    "cancel running", "cancel queued", "cancel done", "cancel early",
    "claim run", "claim stale", "claim running", "claim lapsed", "claim lost", "claimed again", "read lost",
    "emit ok", "emit fenced", "emit cancelled", "emit gap", "emit full",
    "journal ok", "journal dup", "journal fenced", "journal cancelled", "journal gap",
    "commit idle", "commit ready", "commit next", "commit fenced", "commit cancelled", "commit gap", "next lost",
    "reap revived", "reap unclaimed", "reap live", "reap other", "reap waiting",
    "replay ok", "replay dup", "replay gone", "replay busy", "replay cancelled",
    "verdict go", "verdict cancelled", "verdict expired", "verdict exhausted",
    "next go", "next cancelled", "next expired",
    "clock forward", "clock back", "acked by hand",
    "call expected", "call expected too late",
    "call taken", "call held", "call was over", "call taken again",
    "call renewed", "call renewed late", "call lost", "call made again",
    "call ended", "call end refused", "call forgotten", "call forgotten that nobody answered",
    "call forget refused", "call overdue", "call reserved",
    "look at a held call", "look at a gone call", "agent sent", "agent not sent",
    "call left", "a call that was left is looked after", "a call that was lost is looked after",
    "token taken", "token refused",
    "retire retired", "retire busy", "retire behind", "retire none",
)  # fmt: skip
"""What the trials must have met, or they prove nothing about it."""


def test_invariants_hold_under_random_interleavings(redis_url: str) -> None:
    sys.stdout.write(f"seeds {SEED} to {SEED + TRIALS - 1}, {STEPS} steps each\n")
    with connect(redis_url) as redis:
        seen = run_trials(Calls(redis), range(SEED, SEED + TRIALS), STEPS)
    sys.stdout.write(f"{dict(seen)}\n")
    if TRIALS * STEPS >= 12_000:
        assert [what for what in COVERED if not seen[what]] == []
