"""How many turns are begun together: by what beginning them cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.bus.portion import FIRST, Portion

LEASE_S = 1.0
QUICK_S, SLOW_S = 0.001, 0.2


def grown(portion: Portion, reads: int, held_s: float) -> int:
    """Its size after so many full portions."""
    for _ in range(reads):
        portion.begun(portion.size, held_s)
    return portion.size


def test_quick_beginnings_make_it_as_large_as_there_are_slots() -> None:
    assert grown(Portion(50, LEASE_S), 1, QUICK_S) == 2 * FIRST
    assert grown(Portion(50, LEASE_S), 10, QUICK_S) == 50


def test_slow_beginnings_make_it_small() -> None:
    assert grown(Portion(64, LEASE_S), 10, SLOW_S) == 2


def test_in_between_it_stays() -> None:
    assert grown(Portion(64, LEASE_S), 10, LEASE_S / 30) == FIRST


def test_few_that_were_begun_do_not_vouch_for_many() -> None:
    portion = Portion(64, LEASE_S)
    for _ in range(10):
        portion.begun(FIRST - 1, QUICK_S)  # so few waited, or so few slots were free
    assert portion.size == FIRST


def test_what_fills_the_last_slots_may_be_found_too_large_as_well() -> None:
    portion = Portion(8, LEASE_S)
    assert grown(portion, 3, QUICK_S) == 8
    portion.begun(8, SLOW_S)  # no slot is free now, and nothing is read before one is
    assert portion.size == 4


def test_it_recovers() -> None:
    portion = Portion(64, LEASE_S)
    grown(portion, 10, SLOW_S)
    assert grown(portion, 10, QUICK_S) == 64


@given(st.integers(1, 100), st.lists(st.tuples(st.integers(1, 100), st.floats(0, 10)), max_size=50))
def test_it_is_never_more_than_there_are_slots_and_never_nothing(most: int, begun: list[tuple[int, float]]) -> None:
    portion = Portion(most, LEASE_S)
    for count, held_s in begun:
        portion.begun(count, held_s)
        assert 1 <= portion.size <= most
