"""Callers that ask often, while the clock steps: a bucket gives what it holds and what time has brought, no more."""

from __future__ import annotations

from tests.bus.property.bucket_model import BucketModel
from tests.bus.property.model import LONG_MS, need
from tests.bus.property.world import World

EACH_MS = LONG_MS / 2
"""Two tokens come with a step of the clock; what really passes in a trial is nothing beside it."""
SLACK_MS = 120_000
"""Real time that a trial may take: what it brings is not counted on, and allowed."""


def spend(world: World) -> None:
    """One of two callers asks once, or as often as the bucket holds."""
    bucket = world.pick(world.model.buckets)
    for _ in range(world.pick((1, 1, bucket.burst))):
        _spend_one(world, bucket)


def _spend_one(world: World, bucket: BucketModel) -> None:
    least, now = bucket.left_at(world.model.now, EACH_MS), world.model.now
    most = min(bucket.burst, least + SLACK_MS / EACH_MS)
    taken, told = world.calls.spend(bucket.caller, "turns", bucket.burst, EACH_MS)
    need("rates", not (least >= 1 and not taken), "a token was there and not given", least, told)
    need("rates", not (most < 1 and taken), "a token was given that was not there", most, told)
    left = max(least, 1) - 1 if taken else min(least, 1)
    if taken:
        need("rates", left - 1 < told <= max(most, 1) - 1, "tokens left", told, left)
    else:
        wait = (1 - least) * EACH_MS
        need("rates", wait - SLACK_MS <= told <= wait + 1, "how long to wait", told, wait)
    bucket.left, bucket.at = left, now
    kept = world.calls.redis.pttl(world.calls.keys.rate(bucket.caller, "turns"))
    full = bucket.burst * EACH_MS
    need("rates", full < kept <= full + 1001, "how long it is remembered", kept, full)
    world.count("token taken" if taken else "token refused")
