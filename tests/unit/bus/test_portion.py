"""How many turns are begun together: by what beginning them cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.bus.portion import FIRST, Portion

LEASE_S = 1.0
QUICK_S, SLOW_S = 0.001, 0.2


def grown(portion: Portion, reads: int, took_s: float) -> int:
    """Its size after so many reads of a long queue."""
    for _ in range(reads):
        portion.begun(portion.size, portion.size, took_s)
    return portion.size


def test_the_first_read_of_a_long_queue_tells_nothing_of_what_beginning_costs() -> None:
    portion = Portion(64, LEASE_S)
    portion.begun(FIRST, FIRST, QUICK_S)
    assert portion.size == FIRST
    portion.begun(FIRST, FIRST, QUICK_S)
    assert portion.size == 2 * FIRST


def test_quick_beginnings_make_it_as_large_as_there_are_slots() -> None:
    assert grown(Portion(50, LEASE_S), 10, QUICK_S) == 50


def test_slow_beginnings_make_it_small() -> None:
    assert grown(Portion(64, LEASE_S), 10, SLOW_S) == 2


def test_in_between_it_stays() -> None:
    assert grown(Portion(64, LEASE_S), 10, LEASE_S / 30) == FIRST


def test_a_read_that_waited_is_not_taken_for_a_slow_beginning() -> None:
    portion = Portion(64, LEASE_S)
    portion.begun(FIRST, 1, SLOW_S)
    portion.begun(FIRST, 0, SLOW_S)
    portion.begun(1, 1, SLOW_S)  # one slot was free, and nothing waited
    assert portion.size == FIRST


def test_few_that_were_begun_do_not_vouch_for_many() -> None:
    portion = Portion(64, LEASE_S)
    for _ in range(10):
        portion.begun(3, 3, QUICK_S)  # so few slots were free
    assert portion.size == FIRST


def test_it_recovers() -> None:
    portion = Portion(64, LEASE_S)
    grown(portion, 10, SLOW_S)
    assert grown(portion, 10, QUICK_S) == 64


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100), st.floats(0, 10)), max_size=50),
)
def test_it_is_never_more_than_there_are_slots_and_never_nothing(
    most: int, reads: list[tuple[int, int, float]]
) -> None:
    portion = Portion(most, LEASE_S)
    for asked, got, took_s in reads:
        portion.begun(asked, min(asked, got), took_s)
        assert 1 <= portion.size <= most
