"""The property test once more, with every script called by a service that calls it: no script lacks a right in any of
its branches, and none is refused in its middle.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from redis import Redis

from libs.bus.access import ROLES
from tests.bus.property.calls import CLOCK, Calls
from tests.bus.property.trial import connect, run_trials
from tests.servers.users import HARNESS, GuardedRedis

TRIALS, STEPS = 6, 250
CLOCK_RIGHT = f"(-@all +get ~{CLOCK})"
"""The trials' scripts have a clock that jumps."""


class CallsAsUsers(Calls):
    """Each script by a role that may call it, chosen at random; what the harness does besides is its own."""

    def __init__(self, redis: Any, by_role: dict[str, Any]) -> None:
        super().__init__(redis)
        self._by_role, self._rng = by_role, random.Random(1)

    def _call(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        stream = {self.keys.turns: "turns", self.keys.events: "events"}.get(keys[0], "")
        roles = [
            role.name
            for role in ROLES
            if name in role.scripts and (name not in ("recount", "reject") or role.stream == stream)
        ]
        client = self._by_role[self._rng.choice(roles)]
        return client.evalsha(self._shas[name], len(keys), *keys, *map(str, args))


def test_every_script_may_do_all_that_it_does(guarded: GuardedRedis) -> None:
    with connect(guarded.url(HARNESS)) as admin, ExitStack() as stack:
        by_role = {}
        for role in ROLES:
            admin.execute_command("ACL", "SETUSER", role.name, CLOCK_RIGHT)
            client = Redis.from_url(guarded.url(role.name), decode_responses=True, protocol=2, driver_info=None)
            by_role[role.name] = stack.enter_context(client)
        seen = run_trials(CallsAsUsers(admin, by_role), range(1, 1 + TRIALS), STEPS)
        assert admin.execute_command("ACL", "LOG") == []
    assert all(seen[what] for what in ("commit idle", "reap revived", "replay ok", "call taken"))
