"""What the random test leaves out because it needs time to pass: deadlines, the run cap; and limits at their edge."""

from __future__ import annotations

import time
from typing import Any

from tests.bus.property.calls import CLOCK, Calls

P = "harbour"


def begin(calls: Calls, *conversations: str) -> None:
    for conversation in conversations:
        assert calls.open(conversation, P, "opened")[0] == "opened"
    calls.beat("w1")


def read(calls: Calls, worker: str = "w1") -> list[tuple[str, str]]:
    """Entry and conversation of everything unread."""
    reply: Any = calls.redis.xreadgroup("brain", worker, {calls.keys.turns: ">"}) or []
    return [(entry, fields["c"]) for entry, fields in (reply[0][1] if reply else [])]


def redis_ms(calls: Calls) -> int:
    seconds, microseconds = calls.redis.time()
    return int(seconds) * 1_000 + int(microseconds) // 1_000


def let_pass(calls: Calls, ms: int) -> None:
    """Until Redis's clock, the only one that counts, has gone on so far."""
    until, give_up = redis_ms(calls) + ms, time.monotonic() + 10
    while redis_ms(calls) <= until:
        assert time.monotonic() < give_up


def set_clock(calls: Calls, ms: int) -> None:
    """Let Redis's clock jump: what is not to have passed before is far away on any machine."""
    calls.redis.set(CLOCK, ms)


def test_a_turn_past_its_deadline_expires_at_the_claim(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi", deadline_ms=-1)
    let_pass(calls, 1)
    ((entry, _),) = read(calls)
    assert calls.claim("w1", entry, "a", "t", 3)[3] == "expired"


def test_the_next_turn_in_place_expires_too(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    calls.accept("a", "a.2", P, "hi", deadline_ms=1)
    ((entry, _),) = read(calls)
    granted = calls.claim("w1", entry, "a", "t", 3)
    let_pass(calls, 2)
    reply = calls.commit("w1", "a", granted[1], "a.1", "finished", ["reply"], budget=1)
    assert (reply[0], reply[4]) == ("next", "expired")


def test_a_reply_begun_is_finished_past_its_deadline(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi", deadline_ms=60_000)
    ((entry, _),) = read(calls)
    first = calls.claim("w1", entry, "a", "t", 3)
    assert calls.emit("w1", "a", first[1], "a.1", 0, "half")[0] == "ok"
    set_clock(calls, 61_000)
    calls.beat("w1", 0)
    assert calls.reap("a", "w1") == "revived"
    calls.beat("w2")
    ((entry, _),) = read(calls, "w2")
    second = calls.claim("w2", entry, "a", "t", 3)
    assert (second[2], second[3], second[5]) == (2, "go", "half")


def test_a_run_past_the_cap_is_taken_from_a_living_worker(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    ((entry, _),) = read(calls)
    granted = calls.claim("w1", entry, "a", "t", 3)
    assert calls.reap("a", "w1", entry, run_ms=1_000_000) == "live"
    let_pass(calls, 6)
    assert calls.reap("a", "w1", entry, run_ms=5) == "revived"
    assert calls.emit("w1", "a", granted[1], "a.1", 0, "x") == ["fenced"]


def test_the_cap_counts_from_the_turn_taken_in_place(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    calls.accept("a", "a.2", P, "hi")
    ((entry, _),) = read(calls)
    granted = calls.claim("w1", entry, "a", "t", 3)
    set_clock(calls, 600_000)
    calls.beat("w1")
    assert calls.commit("w1", "a", granted[1], "a.1", "finished", ["reply"], budget=1)[0] == "next"
    assert calls.reap("a", "w1", entry, run_ms=600_000) == "live"


def test_overload_counts_only_conversations_that_wait(calls: Calls) -> None:
    begin(calls, "a", "b", "c", "d")
    calls.accept("a", "a.1", P, "hi")
    ((entry, _),) = read(calls)
    calls.claim("w1", entry, "a", "t", 3)
    assert calls.accept("b", "b.1", P, "hi", waiting=2)[0] == "ok"
    assert calls.accept("c", "c.1", P, "hi", waiting=2)[0] == "ok"
    assert calls.accept("d", "d.1", P, "hi", waiting=2) == ["overload", 2]
    assert calls.accept("b", "b.2", P, "hi", waiting=2)[0] == "ok", "a conversation that waits already adds nothing"
    read(calls)
    assert calls.accept("d", "d.1", P, "hi", waiting=2)[0] == "ok"


def test_overload_without_any_brain_counts_every_entry(calls: Calls) -> None:
    begin(calls, "a", "b")
    calls.redis.xgroup_destroy(calls.keys.turns, "brain")
    assert calls.accept("a", "a.1", P, "hi", waiting=1)[0] == "ok"
    assert calls.accept("b", "b.1", P, "hi", waiting=1) == ["overload", 1]


def test_refused_turns_write_nothing(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    before = {key: calls.redis.dump(key) for key in calls.redis.keys("*conv*")}
    calls.accept("a", "a.2", P, "hi", mailbox=1, gateway="g")
    calls.accept("a", "a.2", P, "long", body_limit=3, gateway="g")
    calls.accept("a", "a.2", "elsewhere", "hi", gateway="g")
    assert {key: calls.redis.dump(key) for key in calls.redis.keys("*conv*")} == before
    assert not calls.redis.exists(calls.keys.seen("a", "a.2"), calls.keys.subs("a"))


def test_a_late_follower_is_seen_by_the_next_emit(calls: Calls) -> None:
    begin(calls, "a")
    calls.accept("a", "a.1", P, "hi")
    ((entry, _),) = read(calls)
    granted = calls.claim("w1", entry, "a", "t", 3)
    calls.emit("w1", "a", granted[1], "a.1", 0, "so far")
    followed = calls.follow("a", P, "late")
    assert followed[3:] == ["running", "a.1", "so far"]
    assert calls.emit("w1", "a", granted[1], "a.1", 6, "")[2] > granted[7]
