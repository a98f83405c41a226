"""The server that the suites run on, as BOTEL_TEST_REDIS says: see tests.servers.redis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager

from tests.servers.redis import VARIABLE, RedisServer, chosen_binary, running_redis
from tests.servers.sentinel import running_sentinel

CHOICES = ("redis", "valkey", "sentinel")
_PATIENT_MS = 20_000
"""No test of the suites is to be surprised by a failover, however slow the machine."""


def running_chosen(
    *, durable: bool = False, env: Mapping[str, str] = os.environ
) -> AbstractContextManager[RedisServer]:
    """A server of one's own. `ValueError` for a choice that there is not."""
    match env.get(VARIABLE) or "redis":
        case "redis" | "valkey":
            return running_redis(durable=durable, binary=chosen_binary(env))
        case "sentinel":
            return running_sentinel(durable=durable, down_after_ms=_PATIENT_MS)
        case other:
            raise ValueError(f"{VARIABLE}={other}: one of {', '.join(CHOICES)}")
