"""Fixtures of the bus suite: the scripts one by one, and a bus with short times for whole workers and feeds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.bus.property.calls import Calls
from tests.bus.property.trial import connect
from tests.bus.support.stage import Stage


@pytest.fixture
def calls(direct_url: str) -> Iterator[Calls]:
    """The scripts, on an empty Redis with the brain's group."""
    with connect(direct_url) as redis:
        made = Calls(redis)
        redis.xgroup_create(made.keys.turns, "brain", "0", mkstream=True)
        yield made


@pytest.fixture
async def stage(redis_url: str) -> AsyncIterator[Stage]:
    """Workers, feeds and listeners with short times."""
    async with Stage(redis_url) as made:
        yield made
