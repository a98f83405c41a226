"""Bugs that were in the scripts, each named after what broke."""

from __future__ import annotations

from tests.bus.property.calls import Calls
from tests.bus.scripts.test_limits_and_deadlines import P, begin, read


def test_reap_with_the_entry_of_another_conversation_acked_that_entry(calls: Calls) -> None:
    begin(calls, "a", "b")
    calls.accept("a", "a.1", P, "hi")
    ((entry, _),) = read(calls)
    calls.claim("w1", entry, "a", "t", 3)
    assert calls.reap("b", "w1", entry) == "other"
    assert calls.redis.xpending(calls.keys.turns, "brain")["pending"] == 1


def test_a_follower_that_came_back_after_its_subscription_ran_out_was_not_noticed(calls: Calls) -> None:
    begin(calls, "a")
    calls.follow("a", P, "g1")
    calls.redis.zadd(calls.keys.subs("a"), {"g1": 1})
    calls.accept("a", "a.1", P, "hi")
    ((entry, _),) = read(calls)
    granted = calls.claim("w1", entry, "a", "t", 3)
    assert granted[8] == [], "it ran out before the turn began"
    calls.follow("a", P, "g1")
    assert calls.emit("w1", "a", granted[1], "a.1", 0, "hello")[2] > granted[7]


def test_open_of_a_retired_conversation_began_its_numbers_again(calls: Calls) -> None:
    begin(calls, "a")
    calls.append("a", P, "e.1", "heard")
    assert calls.retire("a", 2) == "retired"
    assert calls.open("a", P, "opened") == ["found", "a"]
    assert calls.append("a", P, "e.2", "heard")[1] == 3


def test_a_run_given_back_because_of_its_turn_cost_no_attempt(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    attempts = []
    for _ in range(3):
        ((entry, _),) = read(calls)
        granted = calls.claim("w1", entry, "a", f"t{entry}", 2)
        attempts.append((granted[2], granted[3]))
        assert calls.reap("a", "w1", epoch=granted[1], refund=False) == "revived"
    assert attempts == [(1, "go"), (2, "go"), (3, "exhausted")]
