"""Which numbers are missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.context_store.domain.gaps import Span, survey


@pytest.mark.parametrize(
    ("whole_to", "beyond", "reached", "holes"),
    [
        (0, [], 0, []),
        (0, [1, 2, 3], 3, []),
        (3, [4, 5], 5, []),
        (3, [1, 2], 3, []),
        (0, [2], 0, [Span(1, 1)]),
        (3, [7], 3, [Span(4, 6)]),
        (3, [4, 6, 7, 9], 4, [Span(5, 5), Span(8, 8)]),
        (0, [10**15], 0, [Span(1, 10**15 - 1)]),
    ],
)
def test_survey(whole_to: int, beyond: list[int], reached: int, holes: list[Span]) -> None:
    assert survey(whole_to, beyond) == (reached, holes)


@given(st.integers(0, 20), st.sets(st.integers(1, 60)))
def test_every_number_is_there_or_in_exactly_one_hole(whole_to: int, present: set[int]) -> None:
    reached, holes = survey(whole_to, sorted(present))

    missing = [number for hole in holes for number in range(hole.first, hole.last + 1)]
    top = max([whole_to, *present])
    assert missing == [number for number in range(whole_to + 1, top + 1) if number not in present]
    assert reached == (missing[0] - 1 if missing else top)
