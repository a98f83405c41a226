"""The run on every kind of Redis fails when one of them fails, or runs nothing."""

from __future__ import annotations

import pytest

from tests.bus.everywhere import Outcome, main
from tests.servers.chosen import running_chosen


@pytest.mark.parametrize(("passed", "code", "good"), [(3, 0, True), (3, 1, False), (0, 0, False), (0, 5, False)])
def test_what_is_good(passed: int, code: int, good: bool) -> None:
    outcome = Outcome("redis", passed, 0, 0, 1.0, code)
    assert outcome.good is good
    assert outcome.line().endswith("ok") is good


def test_a_kind_that_there_is_not_is_refused() -> None:
    assert main(["memcached"]) == 2
    with pytest.raises(ValueError, match="BOTEL_TEST_REDIS=memcached"):
        running_chosen(env={"BOTEL_TEST_REDIS": "memcached"})
