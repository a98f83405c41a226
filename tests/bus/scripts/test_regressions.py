"""Bugs that were in the scripts, each named after what broke."""

from __future__ import annotations

from tests.bus.property.calls import Calls
from tests.bus.scripts.test_limits_and_deadlines import P, begin, read, set_clock


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


def test_a_commit_repeated_past_the_deadline_called_the_reply_that_had_begun_expired(calls: Calls) -> None:
    """The grant in place had been answered, the reply of that commit was lost, and the next turn already spoke."""
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    calls.accept("a", "a.2", P, "hi", deadline_ms=60_000)
    ((entry, _),) = read(calls)
    first = calls.claim("w1", entry, "a", "t", 3)
    granted = calls.commit("w1", "a", first[1], "a.1", "finished", ["reply"], budget=1)
    assert granted[4] == "go"
    assert calls.emit("w1", "a", granted[3], "a.2", 0, "half")[0] == "ok"
    set_clock(calls, 61_000)
    assert calls.commit("w1", "a", first[1], "a.1", "finished", ["reply"], budget=1)[4] == "go"
