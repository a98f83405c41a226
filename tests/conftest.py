"""Fixtures of every suite. `redis_url` is an empty real Redis; `redis_server` the server behind it.

What kind of Redis that is, BOTEL_TEST_REDIS says: see tests.servers.chosen.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.chosen import running_chosen
from tests.servers.redis import RedisServer
from tests.suites import pytest_configure

__all__ = ["pytest_configure"]

# An example that takes long says that the machine is busy. The rest stays as Hypothesis has it, on a laptop or in CI.
settings.register_profile("botel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("botel")


@pytest.fixture(scope="session")
def _redis_session() -> Iterator[RedisServer]:
    with running_chosen() as server:
        yield server


@pytest.fixture
def redis_server(_redis_session: RedisServer) -> RedisServer:
    """The session's server, empty. A test that stops it makes one of its own with `running_chosen`."""
    _redis_session.flush()
    return _redis_session


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of an empty Redis, this test's alone."""
    return redis_server.url


@pytest.fixture
def direct_url(redis_server: RedisServer) -> str:
    """The same, for clients that know one server only: of the master, where there are sentinels."""
    return redis_server.direct_url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that this test may stop and start again; it keeps its data over that."""
    with running_chosen(durable=True) as server:
        yield server
