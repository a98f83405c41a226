"""Leases and looks on a clock of the test's own."""

from __future__ import annotations

import pytest

from libs.bus.liveness import Lease, Sight, expired, next_look_ms


def beaten(*sent: float) -> Lease:
    """A lease of 1 s, beaten every 0.25 s; a beat is late after 0.75 s."""
    lease = Lease(1.0, 0.25)
    for one in sent:
        lease.renewed(one)
    return lease


def test_a_lease_that_was_never_taken_is_not_alive() -> None:
    lease = beaten()
    assert not lease.taken
    assert not lease.alive(0.0)
    assert not lease.punctual(0.0)


@pytest.mark.parametrize(
    ("now", "alive", "punctual"),
    [
        (10.0, True, True),
        (10.74, True, True),
        (10.76, True, False),
        (10.99, True, False),
        (11.0, False, False),
        (99.0, False, False),
    ],
)
def test_a_worker_that_hears_nothing_stops_judging_others_before_its_own_lease_is_out(
    now: float, alive: bool, punctual: bool
) -> None:
    lease = beaten(10.0)
    assert (lease.alive(now), lease.punctual(now)) == (alive, punctual)


def test_a_lease_counts_from_when_the_beat_was_sent() -> None:
    """Its answer may have taken long: Redis has counted from somewhere between the two."""
    lease = beaten(10.0)
    lease.renewed(10.2)
    assert lease.alive(11.19)
    assert not lease.alive(11.2)


def test_after_a_late_beat_one_more_must_come_in_time() -> None:
    lease = beaten(10.0, 10.9)
    assert lease.alive(10.95)
    assert not lease.punctual(10.95)
    lease.renewed(11.15)
    assert lease.punctual(11.2)


def test_a_beat_that_is_a_little_late_changes_nothing() -> None:
    assert beaten(10.0, 10.74).punctual(10.8)


def test_who_woke_from_a_long_sleep_is_dead_until_it_beats() -> None:
    lease = beaten(10.0)
    assert not lease.alive(60.0)
    lease.renewed(60.1)
    assert lease.alive(60.2)
    assert not lease.punctual(60.2), "and does not judge at once: everybody else may have slept too"


def test_a_lease_is_out_at_its_very_millisecond() -> None:
    assert expired({"a": 1_000, "b": 1_001, "c": 999}, 1_000) == ["a", "c"]


@pytest.mark.parametrize(
    ("leases", "wait"),
    [
        ({}, 500),
        ({"a": 1_300.0}, 301),
        ({"a": 1_300.0, "b": 1_200.0}, 201),
        ({"a": 9_000.0}, 500),
        ({"a": 900.0}, 500),
        ({"a": 1_000.0}, 500),
        ({"a": 900.0, "b": 1_100.0}, 101),
        ({"a": 1_000.5}, 1.5),
    ],
)
def test_the_next_look_is_when_the_next_lease_would_run_out(leases: dict[str, float], wait: float) -> None:
    assert next_look_ms(leases, 1_000, 500) == wait


def test_many_leases_that_run_out_together_do_not_make_a_reaper_spin() -> None:
    assert next_look_ms({f"w{n}": 1_000.0001 for n in range(100)}, 1_000, 500) >= 1


def looks(*times: float, server: float = 1_000.0) -> list[bool]:
    """What a watchdog may do at these looks, when leases last 2 s and the server's clock goes with its own."""
    sight = Sight(2.0)
    return [sight.judges(one, server + one) for one in times]


def test_who_begins_to_look_judges_after_one_lease() -> None:
    assert looks(10.0, 10.5, 11.0, 11.5, 12.0) == [False, False, False, False, True]


def test_who_was_stalled_gives_everybody_one_lease() -> None:
    assert looks(0.0, 1.0, 2.0, 3.5, 4.5, 5.4, 5.5) == [False, False, True, False, False, False, True]


@pytest.mark.parametrize("step", [3_600.0, -3_600.0])
def test_a_step_of_the_servers_clock_is_a_stall(step: float) -> None:
    sight = Sight(2.0)
    seen = [sight.judges(one, 1_000 + one) for one in (0.0, 1.0, 2.0)]
    seen += [sight.judges(one, 1_000 + one + step) for one in (2.5, 3.5, 4.5)]
    assert seen == [False, False, True, False, False, True]
