"""`guarded`: a Redis with the users of libs.bus.access, once this machine's server and once Valkey."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from deploy.local.redis_server import WHEEL, find_redis
from tests.servers.users import GuardedRedis, running_with_users


@pytest.fixture(params=["redis", "valkey"])
def guarded(request: pytest.FixtureRequest) -> Iterator[GuardedRedis]:
    """A server of the test's own."""
    forced = {"BOTEL_REDIS_SERVER": WHEEL} if request.param == "valkey" else {}
    with running_with_users(find_redis({**os.environ, **forced}), durable=True) as server:
        yield server
