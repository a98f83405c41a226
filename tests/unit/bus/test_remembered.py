"""Where a log that lost its last writes parts from what a follower was told."""

from __future__ import annotations

import pytest

from libs.bus.remembered import Remembered

TOLD = {3: b"c", 4: b"d", 5: b"e"}


@pytest.mark.parametrize(
    ("log", "agreed"),
    [
        ({3: b"c", 4: b"d", 5: b"e"}, 5),
        ({3: b"c", 4: b"d"}, 4),
        ({3: b"c", 4: b"other", 5: b"e"}, 3),
        ({3: b"other", 4: b"d", 5: b"e"}, 2),
        ({}, 2),
        ({5: b"e"}, 5),
        ({5: b"other"}, 4),
    ],
)
def test_it_agrees_up_to_the_first_difference(log: dict[int, bytes], agreed: int) -> None:
    remembered = Remembered()
    for number, body in TOLD.items():
        remembered.add(number, body)
    assert remembered.agreed(log) == agreed


def test_what_was_not_kept_is_forgotten_and_comes_again() -> None:
    remembered = Remembered()
    for number, body in TOLD.items():
        remembered.add(number, body)
    remembered.forget_after(3)
    remembered.add(4, b"new")
    assert remembered.agreed({3: b"c", 4: b"new"}) == 4


def test_only_the_last_ones_are_kept() -> None:
    remembered = Remembered()
    assert remembered.oldest == 0
    for number in range(1, 101):
        remembered.add(number, b"x")
    assert remembered.oldest == 69
